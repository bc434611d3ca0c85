// Stops the app when it has nothing to do and starts it before it has: from a quarter of an hour before pre-market trading
// until an hour after after-hours trading, and on Saturdays around the weekly review. The platform does not look at the
// queues of a stopped app. Four workflows, each a clock that knows New York's time and one call: some 100 operations a
// month, of which Logic Apps gives 4,000.
param location string
param tags object
param appName string

var plan = loadJsonContent('scheduled_stop.json')
var roles = {
  // Starts and stops this one app. Azure has no built-in role that may do only that.
  websiteContributor: 'de139f84-1756-47ae-9be6-808fbbe84772'
}

resource app 'Microsoft.Web/sites@2024-04-01' existing = {
  name: appName
}

resource identity 'Microsoft.ManagedIdentity/userAssignedIdentities@2023-01-31' = {
  name: 'id-stop-${appName}'
  location: location
  tags: tags
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

resource workflowOf 'Microsoft.Logic/workflows@2019-05-01' = [for each in plan.acts: {
  name: '${each.name}-${appName}'
  location: location
  tags: tags
  identity: {
    type: 'UserAssigned'
    userAssignedIdentities: {
      '${identity.id}': {}
    }
  }
  properties: {
    state: 'Enabled'
    definition: {
      '$schema': 'https://schema.management.azure.com/providers/Microsoft.Logic/schemas/2016-06-01/workflowdefinition.json#'
      contentVersion: '1.0.0.0'
      triggers: {
        clock: {
          type: 'Recurrence'
          recurrence: {
            frequency: 'Week'
            interval: 1
            timeZone: plan.timeZone
            schedule: {
              weekDays: each.days
              hours: [ each.hour ]
              minutes: [ each.minute ]
            }
          }
        }
      }
      actions: {
        act: {
          type: 'Http'
          inputs: {
            method: 'POST'
            uri: '${environment().resourceManager}${substring(app.id, 1)}/${each.act}?api-version=2024-04-01'
            authentication: {
              type: 'ManagedServiceIdentity'
              identity: identity.id
              audience: environment().resourceManager
            }
            retryPolicy: {
              type: 'exponential'
              count: 6
              interval: 'PT20S'
            }
          }
        }
      }
    }
  }
}]
