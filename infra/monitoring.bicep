// Application Insights, and the alerts that do not need the app to be alive. The one that is paid for is off by default.
param token string
param location string
param tags object
param ownerEmail string
param logCapGbPerDay string
param isTroubleAlerted bool

resource workspace 'Microsoft.OperationalInsights/workspaces@2023-09-01' = {
  name: 'log-${token}'
  location: location
  tags: tags
  properties: {
    sku: { name: 'PerGB2018' }
    retentionInDays: 30 // what is free; evidence is in storage, not in the log
    workspaceCapping: { dailyQuotaGb: json(logCapGbPerDay) }
    features: { disableLocalAuth: true }
  }
}

resource insights 'Microsoft.Insights/components@2020-02-02' = {
  name: 'appi-${token}'
  location: location
  tags: tags
  kind: 'web'
  properties: {
    Application_Type: 'web'
    WorkspaceResourceId: workspace.id
    DisableLocalAuth: true // telemetry by identity only; host.json samples it, and never a trace, request or exception
    RetentionInDays: 30
  }
}

resource people 'Microsoft.Insights/actionGroups@2023-01-01' = {
  name: 'ag-gatehouse'
  location: 'global'
  tags: tags
  properties: {
    groupShortName: 'gatehouse'
    enabled: true
    emailReceivers: [
      {
        name: 'owner'
        emailAddress: ownerEmail
        useCommonAlertSchema: true
      }
    ]
  }
}

// One rule for all that the log tells: a rule is paid for by how often it looks, not by how much it looks at.
// Poison is seen by the line that the sweep leaves of each message; a halt, a missed job and the other incidents by their notices.
resource trouble 'Microsoft.Insights/scheduledQueryRules@2023-03-15-preview' = if (isTroubleAlerted) {
  name: 'alert-trouble'
  location: location
  tags: tags
  properties: {
    displayName: 'Gatehouse: trouble'
    description: 'Poison, quarantine, a missed job, a halt, a broker out of sight, or no heartbeat while supervise is due.'
    severity: 1
    enabled: true
    scopes: [ insights.id ]
    evaluationFrequency: 'PT15M'
    windowSize: 'PT15M'
    autoMitigate: false
    criteria: {
      allOf: [
        {
          query: loadTextContent('trouble.kql')
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 0
          failingPeriods: {
            numberOfEvaluationPeriods: 1
            minFailingPeriodsToAlert: 1
          }
        }
      ]
    }
    actions: { actionGroups: [ people.id ] }
  }
}

// A metric is free to watch where a query is not.
resource failures 'Microsoft.Insights/metricAlerts@2018-03-01' = {
  name: 'alert-failures'
  location: 'global'
  tags: tags
  properties: {
    description: 'More than five failed executions within 15 minutes: more than a message that fails its five tries.'
    severity: 1
    enabled: true
    scopes: [ insights.id ]
    evaluationFrequency: 'PT5M'
    windowSize: 'PT15M'
    criteria: {
      'odata.type': 'Microsoft.Azure.Monitor.SingleResourceMultipleMetricCriteria'
      allOf: [
        {
          criterionType: 'StaticThresholdCriterion'
          name: 'failed'
          metricNamespace: 'microsoft.insights/components'
          metricName: 'requests/failed'
          timeAggregation: 'Count'
          operator: 'GreaterThan'
          threshold: 5
        }
      ]
    }
    actions: [ { actionGroupId: people.id } ]
  }
}

output insightsName string = insights.name
