// What does not belong into a function: training by night, governance by month and the dashboard, as containers; only
// where an image is given. All stop when they have nothing to do, so what they cost is the minutes that they run.
param token string
param location string
param tags object
param storageName string
param vaultName string
param alpacaEnvironment string
param trainingImage string
param dashboardImage string
param dashboardClientId string

var roles = {
  // Bars, datasets, models; the registry's champion.
  storageBlobDataContributor: 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'
  // Live evidence is read, the run is recorded.
  storageTableDataContributor: '0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3'
  // The dashboard looks and changes nothing.
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
  storageTableDataReader: '76199698-9eea-4c19-bc75-cec21354c6b6'
  // Training fetches bars with the Alpaca keys.
  keyVaultSecretsUser: '4633458b-17de-408a-b874-0445c86b69e6'
}
var trainingRoles = empty(trainingImage) ? [] : [ roles.storageBlobDataContributor, roles.storageTableDataContributor ]
var trainingJobs = empty(trainingImage) ? [] : [
  {
    name: 'job-nightly'
    // 17:30 New York in winter, 18:30 in summer: cron knows UTC only, and after the close is all that matters.
    cron: '30 22 * * 1-5'
    timeoutS: 3600
    args: [ 'nightly' ]
    cpu: 2
    memory: '4Gi'
    hasKeys: true
    settings: []
  }
  {
    name: 'job-monthly'
    // Cron cannot say the first Saturday of a month: on the others the command ends at once. It is done long before
    // .github/workflows/retrospective.yml looks for what it has proposed.
    cron: '30 5 * * 6'
    timeoutS: 28800
    args: [ 'govern', '--first-saturday', '--workers', '1' ]
    // 2 GB were seen with 60 sessions of 101 symbols, whose scores are all held at once; it trades 120.
    cpu: 4
    memory: '8Gi'
    hasKeys: false
    // What the app trades by; what is left empty there has the code's default here too.
    settings: map(filter(items(loadJsonContent('settings.json')), each => !empty(each.value)), each => { name: each.key, value: each.value })
  }
]
var dashboardRoles = empty(dashboardImage) ? [] : [ roles.storageBlobDataReader, roles.storageTableDataReader ]

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource vault 'Microsoft.KeyVault/vaults@2023-07-01' existing = {
  name: vaultName
}

resource trainer 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (!empty(trainingImage)) {
  name: 'id-training-${token}'
  location: location
  tags: tags
}

resource viewer 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = if (!empty(dashboardImage)) {
  name: 'id-dashboard-${token}'
  location: location
  tags: tags
}

resource trainerOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in trainingRoles: {
  name: guid(account.id, 'training', token, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: trainer.properties.principalId
    principalType: 'ServicePrincipal'
  }
}]

resource trainerOnVault 'Microsoft.Authorization/roleAssignments@2022-04-01' = if (!empty(trainingImage)) {
  name: guid(vault.id, 'training', token, roles.keyVaultSecretsUser)
  scope: vault
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.keyVaultSecretsUser)
    principalId: trainer.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource viewerOnStorage 'Microsoft.Authorization/roleAssignments@2022-04-01' = [for role in dashboardRoles: {
  name: guid(account.id, 'dashboard', token, role)
  scope: account
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', role)
    principalId: viewer.properties.principalId
    principalType: 'ServicePrincipal'
  }
}]

resource home 'Microsoft.App/managedEnvironments@2024-03-01' = {
  name: 'cae-${token}'
  location: location
  tags: tags
  properties: {
    workloadProfiles: [
      {
        name: 'Consumption'
        workloadProfileType: 'Consumption'
      }
    ]
  }
}

resource training 'Microsoft.App/jobs@2024-03-01' = [for job in trainingJobs: {
  name: job.name
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${trainer.id}': {} }
  }
  properties: {
    environmentId: home.id
    workloadProfileName: 'Consumption'
    configuration: {
      triggerType: 'Schedule'
      scheduleTriggerConfig: {
        cronExpression: job.cron
        parallelism: 1
        replicaCompletionCount: 1
      }
      replicaTimeout: job.timeoutS
      // The job takes up where it was cut off, so a second try costs what is left.
      replicaRetryLimit: 1
      secrets: !job.hasKeys ? [] : [
        {
          name: 'alpaca-key-id'
          keyVaultUrl: '${vault.properties.vaultUri}secrets/alpaca-key-id'
          identity: trainer.id
        }
        {
          name: 'alpaca-secret-key'
          keyVaultUrl: '${vault.properties.vaultUri}secrets/alpaca-secret-key'
          identity: trainer.id
        }
      ]
    }
    template: {
      containers: [
        {
          name: 'training'
          image: trainingImage
          args: job.args
          resources: {
            cpu: job.cpu
            memory: job.memory
          }
          env: concat([
            { name: 'AzureWebJobsStorage__accountName', value: storageName }
            { name: 'AZURE_CLIENT_ID', value: trainer.properties.clientId }
            { name: 'ALPACA_ENVIRONMENT', value: alpacaEnvironment }
          ], job.settings, !job.hasKeys ? [] : [
            { name: 'ALPACA_KEY_ID', secretRef: 'alpaca-key-id' }
            { name: 'ALPACA_SECRET_KEY', secretRef: 'alpaca-secret-key' }
          ])
        }
      ]
    }
  }
}]

resource dashboard 'Microsoft.App/containerApps@2024-03-01' = if (!empty(dashboardImage)) {
  name: 'ca-dashboard'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: { '${viewer.id}': {} }
  }
  properties: {
    managedEnvironmentId: home.id
    workloadProfileName: 'Consumption'
    configuration: {
      activeRevisionsMode: 'Single'
      // Without an app registration to sign in with, nobody outside the environment reaches it.
      ingress: {
        external: !empty(dashboardClientId)
        targetPort: 8501
        transport: 'auto'
        allowInsecure: false
      }
    }
    template: {
      containers: [
        {
          name: 'dashboard'
          image: dashboardImage
          resources: {
            cpu: json('0.5')
            memory: '1Gi'
          }
          env: [
            { name: 'AzureWebJobsStorage__accountName', value: storageName }
            { name: 'AZURE_CLIENT_ID', value: viewer.properties.clientId }
            { name: 'ALPACA_ENVIRONMENT', value: alpacaEnvironment }
          ]
        }
      ]
      scale: {
        minReplicas: 0
        maxReplicas: 1
      }
    }
  }
}

resource signIn 'Microsoft.App/containerApps/authConfigs@2024-03-01' = if (!empty(dashboardImage) && !empty(dashboardClientId)) {
  parent: dashboard
  name: 'current'
  properties: {
    platform: { enabled: true }
    globalValidation: {
      unauthenticatedClientAction: 'RedirectToLoginPage'
      redirectToProvider: 'azureactivedirectory'
    }
    identityProviders: {
      azureActiveDirectory: {
        enabled: true
        registration: {
          clientId: dashboardClientId
          openIdIssuer: '${environment().authentication.loginEndpoint}${tenant().tenantId}/v2.0'
        }
      }
    }
  }
}
