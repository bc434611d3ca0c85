// Private addresses for storage and vault, and the network from which the app reaches them; only where asked for.
// A private endpoint costs about 7.30 USD a month wherever it is used, and there are four: 29 USD, a hundredfold of what
// they guard. Tokens guard storage and vault without them.
param token string
param location string
param tags object
param storageName string
param vaultName string

var zones = [
  'privatelink.blob.${environment().suffixes.storage}'
  'privatelink.queue.${environment().suffixes.storage}'
  'privatelink.table.${environment().suffixes.storage}'
  'privatelink${environment().suffixes.keyvaultDns}'
]
var services = [ 'blob', 'queue', 'table', 'vault' ]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource guard 'Microsoft.Network/networkSecurityGroups@2024-01-01' = {
  name: 'nsg-${token}'
  location: location
  tags: tags
}

resource network 'Microsoft.Network/virtualNetworks@2024-01-01' = {
  name: 'vnet-${token}'
  location: location
  tags: tags
  properties: {
    addressSpace: { addressPrefixes: [ '10.20.0.0/16' ] }
    subnets: [
      {
        name: 'app'
        properties: {
          addressPrefix: '10.20.1.0/24'
          networkSecurityGroup: { id: guard.id }
          delegations: [
            {
              name: 'flex'
              properties: { serviceName: 'Microsoft.App/environments' }
            }
          ]
        }
      }
      {
        name: 'endpoints'
        properties: {
          addressPrefix: '10.20.2.0/24'
          networkSecurityGroup: { id: guard.id }
        }
      }
    ]
  }
}

resource zoneOf 'Microsoft.Network/privateDnsZones@2020-06-01' = [for zone in zones: {
  name: zone
  location: 'global'
  tags: tags
}]

resource linkOf 'Microsoft.Network/privateDnsZones/virtualNetworkLinks@2020-06-01' = [for (zone, index) in zones: {
  parent: zoneOf[index]
  name: 'network'
  location: 'global'
  tags: tags
  properties: {
    registrationEnabled: false
    virtualNetwork: { id: network.id }
  }
}]

resource endpointOf 'Microsoft.Network/privateEndpoints@2024-01-01' = [for service in services: {
  name: 'pe-${service}-${token}'
  location: location
  tags: tags
  properties: {
    subnet: { id: network.properties.subnets[1].id }
    privateLinkServiceConnections: [
      {
        name: service
        properties: {
          privateLinkServiceId: service == 'vault' ? vault.id : account.id
          groupIds: [ service ]
        }
      }
    ]
  }
}]

resource nameOf 'Microsoft.Network/privateEndpoints/privateDnsZoneGroups@2024-01-01' = [for (service, index) in services: {
  parent: endpointOf[index]
  name: 'default'
  properties: {
    privateDnsZoneConfigs: [
      {
        name: service
        properties: { privateDnsZoneId: zoneOf[index].id }
      }
    ]
  }
}]

output appSubnetId string = network.properties.subnets[0].id
