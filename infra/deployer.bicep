// The identities under which GitHub deploys, and asks for parameter proposals in pull requests. They have no secret:
// GitHub signs a token for one environment of one repository.
param name string
param location string
param tags object
param repository string
param appName string
param storageName string
param packageContainer string
param parameterContainer string
param reportContainer string
param retrospectiveName string

var roles = {
  // Deploys and restarts this one app; reads its function keys for the smoke test. No role on anything beside it.
  websiteContributor: 'de139f84-1756-47ae-9be6-808fbbe84772'
  // Fetches the package that runs now, to go back to it; the retrospective reads proposals and reports.
  storageBlobDataReader: '2a2b9908-6ea1-4ae2-8e65-a410df84e7d1'
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource account 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: storageName
}

resource blobs 'Microsoft.Storage/storageAccounts/blobServices@2023-05-01' existing = {
  parent: account
  name: 'default'
}

resource container 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: packageContainer
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: name
  location: location
  tags: tags
}

resource trust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: identity
  name: 'github-production'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: 'repo:${repository}:environment:production'
    audiences: [ 'api://AzureADTokenExchange' ]
  }
}

resource onApp 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(app.id, identity.id, roles.websiteContributor)
  scope: app
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.websiteContributor)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource onPackage 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(container.id, identity.id, roles.storageBlobDataReader)
  scope: container
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource parameters 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: parameterContainer
}

resource reports 'Microsoft.Storage/storageAccounts/blobServices/containers@2023-05-01' existing = {
  parent: blobs
  name: reportContainer
}

// No built-in role can add a blob without being able to overwrite and delete others.
resource proposer 'Microsoft.Authorization/roleDefinitions@2022-04-01' = {
  name: guid(resourceGroup().id, name, 'proposer')
  properties: {
    roleName: 'Adds parameter proposals (${name})'
    description: 'Reads blobs and adds new ones; changes and deletes none.'
    type: 'CustomRole'
    assignableScopes: [ resourceGroup().id ]
    permissions: [
      {
        actions: []
        dataActions: [
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read'
          'Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action'
        ]
      }
    ]
  }
}

resource onParameters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(parameters.id, identity.id, 'proposer')
  scope: parameters
  properties: {
    roleDefinitionId: proposer.id
    principalId: identity.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

// The retrospective's job may push branches, so its identity may deploy nothing and write nothing.
resource retrospective 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: retrospectiveName
  location: location
  tags: tags
}

resource retrospectiveTrust 'Microsoft.ManagedIdentity/userAssignedIdentities/federatedIdentityCredentials@2023-01-31' = {
  parent: retrospective
  name: 'github-retrospective'
  properties: {
    issuer: 'https://token.actions.githubusercontent.com'
    subject: 'repo:${repository}:environment:retrospective'
    audiences: [ 'api://AzureADTokenExchange' ]
  }
}

resource retrospectiveOnParameters 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(parameters.id, retrospective.id, roles.storageBlobDataReader)
  scope: parameters
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
    principalId: retrospective.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

resource retrospectiveOnReports 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(reports.id, retrospective.id, roles.storageBlobDataReader)
  scope: reports
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.storageBlobDataReader)
    principalId: retrospective.properties.principalId
    principalType: 'ServicePrincipal'
  }
}

output retrospectiveClientId string = retrospective.properties.clientId
output clientId string = identity.properties.clientId
