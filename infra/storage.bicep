// One account for everything: the app's state, the host's, and the deployed package. A test holds the three lists
// against shared/contracts/records.py.
param name string
param location string
param tags object
@description('Enabled, or Disabled where a private endpoint is the only way in.')
param publicAccess string
@description('Allow or Deny, of who comes from no known network.')
param toStrangers string

var containers = [ 'bars', 'watchlists', 'models', 'features', 'reports', 'claims', 'quarantine', 'parameters', 'cases', 'exports', 'language' ]
var queues = [ 'stories', 'narratives', 'candidates', 'signals', 'order-intents', 'notices' ]
var tables = [
  'runs', 'watchlist', 'signals', 'decisions', 'orders', 'journal', 'fills', 'positions', 'ledger', 'controls'
  'stories', 'feeds', 'narratives', 'calls', 'incidents', 'notices', 'shadows'
]
var packageContainerName = 'app-package'

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' = {
  //checkov:skip=CKV_AZURE_35:only a token opens it; a Flex Consumption app without a virtual network has no address that a firewall could let through
  //checkov:skip=CKV_AZURE_59:only a token opens it; a Flex Consumption app without a virtual network has no address that a firewall could let through
  //checkov:skip=CKV_AZURE_206:one region on purpose: the app runs there and nowhere else, and what matters is at the broker
  name: name
  location: location
  tags: tags
  kind: 'StorageV2'
  // Locally redundant: three copies in one data centre. Zone redundancy costs a quarter more and guards against an
  // outage in which the app, in the same region, does not run either.
  sku: { name: 'Standard_LRS' }
  properties: {
    accessTier: 'Hot'
    allowBlobPublicAccess: false
    allowCrossTenantReplication: false
    allowSharedKeyAccess: false
    defaultToOAuthAuthentication: true
    minimumTlsVersion: 'TLS1_2'
    supportsHttpsTrafficOnly: true
    publicNetworkAccess: publicAccess
    networkAcls: {
      bypass: 'AzureServices'
      defaultAction: toStrangers
    }
    sasPolicy: {
      sasExpirationPeriod: '00.01:00:00'
      expirationAction: 'Log'
    }
    keyPolicy: { keyExpirationPeriodInDays: 90 }
  }
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' = {
  parent: account
  name: 'default'
  properties: {
    isVersioningEnabled: true
    deleteRetentionPolicy: {
      enabled: true
      days: 14
    }
    containerDeleteRetentionPolicy: {
      enabled: true
      days: 14
    }
  }
}

resource containerOf 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = [for container in containers: {
  parent: blobs
  name: container
  properties: { publicAccess: 'None' }
}]

resource package 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' = {
  parent: blobs
  name: packageContainerName
  properties: { publicAccess: 'None' }
}

resource queueService 'Microsoft.Storage/storageAccounts/queueServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource queueOf 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for queue in queues: {
  parent: queueService
  name: queue
}]

resource poisonOf 'Microsoft.Storage/storageAccounts/queueServices/queues@2023-05-01' = [for queue in queues: {
  parent: queueService
  name: '${queue}-poison'
}]

resource tableService 'Microsoft.Storage/storageAccounts/tableServices@2023-05-01' = {
  parent: account
  name: 'default'
}

resource tableOf 'Microsoft.Storage/storageAccounts/tableServices/tables@2023-05-01' = [for table in tables: {
  parent: tableService
  name: table
}]

resource lifecycle 'Microsoft.Storage/storageAccounts/managementPolicies@2023-05-01' = {
  parent: account
  name: 'default'
  dependsOn: [ blobs ]
  properties: {
    policy: {
      rules: [
        {
          name: 'history-of-features' // made anew for every watchlist; features keeps what was decided on
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [ 'blockBlob' ]
              prefixMatch: [ 'bars/history/' ]
            }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 30 } } }
          }
        }
        {
          name: 'claims' // a message expires after half a day
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [ 'blockBlob' ]
              prefixMatch: [ 'claims/' ]
            }
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 7 } } }
          }
        }
        {
          name: 'evidence' // a tax year and some more; the tables keep the decisions themselves
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [ 'blockBlob' ]
              prefixMatch: [ 'features/', 'bars/today/', 'cases/', 'watchlists/', 'quarantine/' ]
            }
            // Not moved to a cooler tier: for thousands of small blobs the moves cost more than they save.
            actions: { baseBlob: { delete: { daysAfterModificationGreaterThan: 550 } } }
          }
        }
        {
          name: 'versions-of-the-host' // leases and timer states, written anew at every firing
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: {
              blobTypes: [ 'blockBlob' ]
              prefixMatch: [ 'azure-webjobs-hosts/', 'azure-webjobs-secrets/' ]
            }
            actions: { version: { delete: { daysAfterCreationGreaterThan: 1 } } }
          }
        }
        {
          name: 'versions-of-everything-else' // models and packages: long enough to go back
          type: 'Lifecycle'
          enabled: true
          definition: {
            filters: { blobTypes: [ 'blockBlob' ] }
            actions: { version: { delete: { daysAfterCreationGreaterThan: 90 } } }
          }
        }
      ]
    }
  }
}

output name string = account.name
output packageContainer string = packageContainerName
