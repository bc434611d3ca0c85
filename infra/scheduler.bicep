// Durable Task Scheduler in place of Azure Storage for the orders' history; only where asked for. It is paid for by
// action, holds no key, and shows every lifecycle in a dashboard of its own. Azure Storage needs no second service.
param name string
param location string
param tags object
param taskHub string
param appPrincipalId string
param appClientId string

var roles = {
  // Starts, wakes and reads orchestrations of this scheduler.
  durableTaskDataContributor: '0ad04412-c4d5-4796-b79c-f76d14c8d402'
}

resource scheduler 'Microsoft.DurableTask/schedulers@2025-11-01' = {
  name: name
  location: location
  tags: tags
  properties: {
    sku: { name: 'Consumption' }
    // An empty list lets nobody in; a token is asked for wherever a call comes from.
    ipAllowlist: [ '0.0.0.0/0' ]
  }
}

resource hub 'Microsoft.DurableTask/schedulers/taskHubs@2025-11-01' = {
  parent: scheduler
  name: taskHub
}

resource appOnScheduler 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(scheduler.id, appPrincipalId, roles.durableTaskDataContributor)
  scope: scheduler
  properties: {
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', roles.durableTaskDataContributor)
    principalId: appPrincipalId
    principalType: 'ServicePrincipal'
  }
}

// No secret: it names the identity that asks for a token.
output address string = 'Endpoint=${scheduler.properties.endpoint};Authentication=ManagedIdentity;ClientID=${appClientId};TaskHub=${hub.name}'
