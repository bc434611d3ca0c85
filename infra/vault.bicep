// Key Vault for the Alpaca keys. Their values never pass through a template: infra/set_keys.sh puts them in.
param name string
param location string
param tags object
@description('Enabled, or Disabled where a private endpoint is the only way in.')
param publicAccess string
@description('Allow or Deny, of who comes from no known network.')
param toStrangers string

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' = {
  //checkov:skip=CKV_AZURE_109:only a token opens it; a Flex Consumption app without a virtual network has no address that a firewall could let through
  //checkov:skip=CKV_AZURE_189:only a token opens it; a Flex Consumption app without a virtual network has no address that a firewall could let through
  name: name
  location: location
  tags: tags
  properties: {
    tenantId: tenant().tenantId
    sku: {
      family: 'A'
      name: 'standard'
    }
    enableRbacAuthorization: true
    enableSoftDelete: true
    softDeleteRetentionInDays: 90
    enablePurgeProtection: true
    enabledForDeployment: false
    enabledForDiskEncryption: false
    enabledForTemplateDeployment: false
    publicNetworkAccess: publicAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: toStrangers
    }
  }
}

output name string = vault.name
output uri string = vault.properties.vaultUri
