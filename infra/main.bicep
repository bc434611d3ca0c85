// The whole of what Gatehouse needs in a subscription: one resource group. docs/CI_CD.md says how it is deployed.
targetScope = 'subscription'

@description('Name of the environment; part of every name. Letters, digits, hyphens.')
@minLength(1)
@maxLength(32)
param environmentName string

@description('Region. Everything is in one: traffic between services of a region is free.')
@metadata({ azd: { type: 'location' } })
param location string

@description('Object id of the person who looks into storage and sets the keys; azd fills it in. Empty: nobody but the app.')
param principalId string = ''

@description('Where alerts and budget warnings are sent.')
@minLength(3)
param ownerEmail string

@description('Which Alpaca account: paper or live. The sandbox needs no Azure.')
@allowed([ 'paper', 'live' ])
param alpacaEnvironment string = 'paper'

@description('Id of the account that may trade live; needed for live only, so that live is two deliberate acts.')
param allowLive string = ''

@description('Revision of the deployed code, written into every decision.')
param codeRevision string = ''

@description('Memory of an instance in MB, billed while it works: 2048 is 4 times the price of 512. The whole app takes 362 MB in the sandbox without the .NET host, which 512 would not hold beside it.')
@allowed([ 512, 2048, 4096 ])
param instanceMemoryMB int = 2048

@description('Most instances of one function. 40 is the least that the plan has taken since its preview; the queues never fill more than two.')
@minValue(40)
@maxValue(1000)
param maximumInstanceCount int = 40

@description('Instances kept warm, as { name, instanceCount } of a function or group (http, durable). None: one of 2048 MB for a month costs about 20 USD, and candidates live for four minutes, longer than any cold start.')
param alwaysReady array = []

@description('USD a month from which warnings are sent: half of it, all of it, and all of it foreseen. A budget warns, it does not stop anything.')
@minValue(1)
param budgetUsd int = 5

@description('First day of the month in which the budget begins.')
param budgetFrom string = utcNow('yyyy-MM-01')

@description('Most GB of telemetry a day. 5 GB a month are free; a runaway log stops here.')
param logCapGbPerDay string = '0.16'

@description('Whether the log is searched for trouble every 15 minutes, for 0.50 USD a month. Without it three things tell, for nothing: the app by its channels, a dead man switch behind one of them, and infra/watch.sh from outside (docs/NOTICES.md).')
param isTroubleAlerted bool = false

@description('Whether the app is stopped at night and at weekends, by the times of infra/scheduled_stop.json: the platform looks at the queues of an app that runs day and night, for 0.42 USD a month more. Nothing is traded then, and no call over HTTP is answered. Not for crypto.')
param hasScheduledStop bool = true

@description('owner/name of the GitHub repository whose environment production may deploy, and whose environment retrospective may read proposals; empty: none may.')
param githubRepository string = ''

@description('Whether storage and vault are reached from a network of their own alone. Four private endpoints cost 29 USD a month; a person then needs a way into that network too.')
param isPrivate bool = false

@description('Whether a Durable Task Scheduler keeps the history of orders, in place of Azure Storage. Paid for by action, with a dashboard of its own.')
param hasScheduler bool = false

@description('Image of the nightly training, as built by .github/workflows/image.yml; empty: train elsewhere.')
param trainingImage string = ''

@description('Image of the dashboard; empty: run it on your own machine.')
param dashboardImage string = ''

@description('App registration by which people sign in to the dashboard; empty: nobody outside Azure reaches it.')
param dashboardClientId string = ''

var publicAccess = isPrivate ? 'Disabled' : 'Enabled'
var toStrangers = isPrivate ? 'Deny' : 'Allow'
var taskHub = loadJsonContent('settings.json').GATEHOUSE_TASK_HUB
var tags = { 'azd-env-name': environmentName }
var token = toLower(uniqueString(subscription().id, environmentName, location))

resource group 'Microsoft.Resources/resourceGroups@2024-03-01' = {
  name: 'rg-gatehouse-${environmentName}'
  location: location
  tags: tags
}

module identity 'identity.bicep' = {
  name: 'identity'
  scope: group
  params: {
    name: 'id-gatehouse-${token}'
    location: location
    tags: tags
  }
}

module storage 'storage.bicep' = {
  name: 'storage'
  scope: group
  params: {
    name: 'st${token}'
    location: location
    tags: tags
    publicAccess: publicAccess
    toStrangers: toStrangers
  }
}

module monitoring 'monitoring.bicep' = {
  name: 'monitoring'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    ownerEmail: ownerEmail
    logCapGbPerDay: logCapGbPerDay
    isTroubleAlerted: isTroubleAlerted
  }
}

module vault 'vault.bicep' = {
  name: 'vault'
  scope: group
  params: {
    name: 'kv-${token}'
    location: location
    tags: tags
    publicAccess: publicAccess
    toStrangers: toStrangers
  }
}

module roles 'roles.bicep' = {
  name: 'roles'
  scope: group
  params: {
    appPrincipalId: identity.outputs.principalId
    ownerPrincipalId: principalId
    storageName: storage.outputs.name
    insightsName: monitoring.outputs.insightsName
    vaultName: vault.outputs.name
  }
}

module network 'network.bicep' = if (isPrivate) {
  name: 'network'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
  }
}

module scheduler 'scheduler.bicep' = if (hasScheduler) {
  name: 'scheduler'
  scope: group
  params: {
    name: 'dts-${token}'
    location: location
    tags: tags
    taskHub: taskHub
    appPrincipalId: identity.outputs.principalId
    appClientId: identity.outputs.clientId
  }
}

module containers 'containers.bicep' = if (!empty(trainingImage) || !empty(dashboardImage)) {
  name: 'containers'
  scope: group
  params: {
    token: token
    location: location
    tags: tags
    storageName: storage.outputs.name
    vaultName: vault.outputs.name
    alpacaEnvironment: alpacaEnvironment
    trainingImage: trainingImage
    dashboardImage: dashboardImage
    dashboardClientId: dashboardClientId
  }
}

module app 'app.bicep' = {
  name: 'app'
  scope: group
  // The app reads package, storage and vault with its identity from its first second.
  dependsOn: [ roles ]
  params: {
    name: 'func-gatehouse-${token}'
    location: location
    tags: tags
    identityId: identity.outputs.id
    identityClientId: identity.outputs.clientId
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    insightsName: monitoring.outputs.insightsName
    vaultUri: vault.outputs.uri
    alpacaEnvironment: alpacaEnvironment
    allowLive: allowLive
    codeRevision: codeRevision
    instanceMemoryMB: instanceMemoryMB
    maximumInstanceCount: maximumInstanceCount
    alwaysReady: alwaysReady
    subnetId: isPrivate ? network.outputs.appSubnetId : ''
    schedulerAddress: hasScheduler ? scheduler.outputs.address : ''
  }
}

module scheduledStop 'scheduled_stop.bicep' = if (hasScheduledStop) {
  name: 'scheduled-stop'
  scope: group
  params: {
    location: location
    tags: tags
    appName: app.outputs.name
  }
}

module budget 'budget.bicep' = {
  name: 'budget'
  scope: group
  params: {
    name: 'budget-gatehouse-${environmentName}'
    amountUsd: budgetUsd
    from: budgetFrom
    ownerEmail: ownerEmail
  }
}

module deployer 'deployer.bicep' = if (!empty(githubRepository)) {
  name: 'deployer'
  scope: group
  params: {
    name: 'id-deploy-${token}'
    location: location
    tags: tags
    repository: githubRepository
    appName: app.outputs.name
    storageName: storage.outputs.name
    packageContainer: storage.outputs.packageContainer
    parameterContainer: 'parameters'
    reportContainer: 'reports'
    retrospectiveName: 'id-retrospective-${token}'
  }
}

output AZURE_RESOURCE_GROUP string = group.name
output AZURE_FUNCTION_NAME string = app.outputs.name
output AZURE_STORAGE_ACCOUNT string = storage.outputs.name
output AZURE_KEY_VAULT_NAME string = vault.outputs.name
output AZURE_DEPLOY_CLIENT_ID string = empty(githubRepository) ? '' : deployer.outputs.clientId
output AZURE_RETROSPECTIVE_CLIENT_ID string = empty(githubRepository) ? '' : deployer.outputs.retrospectiveClientId
output GATEHOUSE_URL string = app.outputs.url
