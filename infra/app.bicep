// The function app on Flex Consumption. A test holds its settings against those that the code and the host read.
param name string
param location string
param tags object
param identityId string
param identityClientId string
param storageName string
param packageContainer string
param insightsName string
param vaultUri string
param alpacaEnvironment string
param allowLive string
param codeRevision string
param instanceMemoryMB int
param maximumInstanceCount int
param alwaysReady array
@description('Subnet from which storage and vault are reached; empty: the public network.')
param subnetId string
@description('Connection of a Durable Task Scheduler; empty: Azure Storage keeps the orders\' history.')
param schedulerAddress string

// What the owner may change, by name; empty takes the code's default. docs/CONFIG.md says what each is for.
var ownSettings = loadJsonContent('settings.json')
var wiring = {
  // Identity instead of a connection string, for the host, the bindings and the durable extension alike.
  AzureWebJobsStorage__accountName: storageName
  AzureWebJobsStorage__credential: 'managedidentity'
  AzureWebJobsStorage__clientId: identityClientId
  // Which identity the code's own storage clients use.
  AZURE_CLIENT_ID: identityClientId
  APPLICATIONINSIGHTS_CONNECTION_STRING: insights.properties.ConnectionString
  APPLICATIONINSIGHTS_AUTHENTICATION_STRING: 'ClientId=${identityClientId};Authorization=AAD'
  ALPACA_ENVIRONMENT: alpacaEnvironment
  ALPACA_KEY_ID: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/alpaca-key-id/)'
  ALPACA_SECRET_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/alpaca-secret-key/)'
  GATEHOUSE_NOTICE_CHANNELS: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/gatehouse-notice-channels/)'
  GATEHOUSE_LINK_KEY: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/gatehouse-link-key/)'
  // Known only once the app stands: Azure puts a hash into the name.
  GATEHOUSE_PUBLIC_URL: 'https://${app.properties.defaultHostName}'
  GATEHOUSE_ALLOW_LIVE: allowLive
  GATEHOUSE_CODE_REVISION: codeRevision
}

// A language model's keys are in the vault, where one is configured.
var language = empty(ownSettings.GATEHOUSE_LANGUAGE_URL) ? {} : {
  GATEHOUSE_LANGUAGE_KEYS: '@Microsoft.KeyVault(SecretUri=${vaultUri}secrets/gatehouse-language-keys/)'
}

// host.json says Azure Storage; these take its place where a scheduler is given.
var scheduling = empty(schedulerAddress) ? {} : {
  DURABLE_TASK_SCHEDULER_CONNECTION_STRING: schedulerAddress
  AzureFunctionsJobHost__extensions__durableTask__storageProvider__type: 'azureManaged'
  AzureFunctionsJobHost__extensions__durableTask__storageProvider__connectionStringName: 'DURABLE_TASK_SCHEDULER_CONNECTION_STRING'
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource insights 'Microsoft.Insights/components@2020-02-02' existing = {
  name: insightsName
}

resource plan 'Microsoft.Web/serverfarms@2024-04-01' = {
  //checkov:skip=CKV_AZURE_225:zone redundancy needs always-ready instances, which cost 20 USD a month each
  name: 'plan-${name}'
  location: location
  tags: tags
  kind: 'functionapp'
  sku: {
    tier: 'FlexConsumption'
    name: 'FC1'
  }
  properties: { reserved: true }
}

resource app 'Microsoft.Web/sites@2024-04-01' = {
  //checkov:skip=CKV_AZURE_222:status, kill and resume are called from outside, with a function key
  //checkov:skip=CKV_AZURE_17:a person calls it with curl or a phone; function keys guard it
  //checkov:skip=CKV_AZURE_212:Flex Consumption starts instances as they are needed; none runs between
  //checkov:skip=CKV_AZURE_213:Flex Consumption has no health check path; the heartbeat alert watches the app
  name: name
  location: location
  tags: tags
  kind: 'functionapp,linux'
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${identityId}': {} }
  }
  properties: {
    serverFarmId: plan.id
    httpsOnly: true
    keyVaultReferenceIdentity: identityId
    virtualNetworkSubnetId: empty(subnetId) ? null : subnetId
    functionAppConfig: {
      runtime: {
        name: 'python'
        version: '3.13'
      }
      deployment: {
        storage: {
          type: 'blobContainer'
          value: '${account.properties.primaryEndpoints.blob}${packageContainer}'
          authentication: {
            type: 'UserAssignedIdentity'
            userAssignedIdentityResourceId: identityId
          }
        }
      }
      scaleAndConcurrency: {
        instanceMemoryMB: instanceMemoryMB
        maximumInstanceCount: maximumInstanceCount
        alwaysReady: alwaysReady
      }
    }
    siteConfig: {
      minTlsVersion: '1.2'
      scmMinTlsVersion: '1.2'
      ftpsState: 'Disabled'
      http20Enabled: true
      remoteDebuggingEnabled: false
    }
  }

  resource settings 'config' = {
    name: 'appsettings'
    properties: union(ownSettings, wiring, language, scheduling)
  }

  resource noFtp 'basicPublishingCredentialsPolicies' = {
    name: 'ftp'
    properties: { allow: false }
  }

  resource noPassword 'basicPublishingCredentialsPolicies' = {
    name: 'scm'
    properties: { allow: false }
  }
}

output name string = app.name
output url string = 'https://${app.properties.defaultHostName}'
