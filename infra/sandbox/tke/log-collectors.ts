import type { LogCollector, LogInputOption, LogOutputOption } from '#cloud/generated/tke/structures.ts'
import { getObject, putObject } from '../kubernetes/objects.ts'
import { isDaemonSet } from '../kubernetes/shapes.ts'
import { PlatformFault } from '../reducer.ts'
import { findCluster, findRunningCluster, kubernetesOf } from './find-cluster.ts'
import { isoTime } from './iso-time.ts'
import { lookUp } from './look-up.ts'
import { pageOf } from './page-of.ts'
import type { ClusterState, LogCollectorState, LogInputState, LogOutputState } from './state.ts'
import type { TkeReducer } from './tke-reducer.ts'

/** The agent's DaemonSet, by whose pods GetLogCollectorStatus counts. */
const agent = { namespace: 'kube-system', name: 'tke-log-agent' }

/** Switches log collection on: the agent is rolled out as a DaemonSet. Where it is on, nothing changes. */
export const enableLogCollector: TkeReducer<'EnableLogCollector'> = (request, context) => {
  if ((request.ClusterId ?? '') === '') throw new PlatformFault('InvalidParameter', 'ClusterId is missing.')
  const cluster = findRunningCluster(context, request.ClusterId ?? '', { unknown: 'InvalidParameter', notRunning: 'InternalError' })
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  if (cluster.log.enabled || kubernetes === undefined) return {}
  cluster.log.enabled = true
  const labels = { 'k8s-app': agent.name }
  putObject(
    kubernetes,
    {
      apiVersion: 'apps/v1',
      kind: 'DaemonSet',
      metadata: { name: agent.name, namespace: agent.namespace, labels },
      spec: {
        selector: { matchLabels: labels },
        updateStrategy: { type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 1 } },
        template: {
          metadata: { labels },
          spec: {
            tolerations: [{ operator: 'Exists' }],
            containers: [
              {
                name: 'loglistener',
                image: 'mirrors.tencent.com/tke/loglistener:v1.2.4',
                resources: { requests: { cpu: '110m', memory: '24Mi' }, limits: { cpu: '1100m', memory: '560Mi' } },
              },
            ],
          },
        },
      },
    },
    context.now,
  )
  return {}
}

/** Whether collection is on, and how far the agent's DaemonSet has come. */
export const getLogCollectorStatus: TkeReducer<'GetLogCollectorStatus'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const kubernetes = kubernetesOf(context.world, cluster.clusterId)
  const object = kubernetes === undefined ? undefined : getObject(kubernetes, 'apps', 'daemonsets', agent.name, agent.namespace)
  const set = isDaemonSet(object) ? object : undefined
  return {
    Enabled: cluster.log.enabled,
    CurrentNumberScheduled: set?.status.currentNumberScheduled ?? 0,
    DesiredNumberScheduled: set?.status.desiredNumberScheduled ?? 0,
  }
}

function findCollector(cluster: ClusterState, name: string): LogCollectorState {
  const collector = lookUp(cluster.log.collectors, name)
  if (collector === undefined) throw new PlatformFault('ResourceNotFound', `Cluster ${cluster.clusterId} has no log rule ${name}.`)
  return collector
}

/** Adds a rule to a cluster where collection is on. A name can be taken once. */
export const createLogCollector: TkeReducer<'CreateLogCollector'> = (request, context) => {
  const cluster = findRunningCluster(context, request.ClusterId, { unknown: 'InvalidParameter', notRunning: 'InternalError' })
  if (!cluster.log.enabled) {
    throw new PlatformFault('InternalError', `Log collection of cluster ${cluster.clusterId} is off; see EnableLogCollector.`)
  }
  if (!/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/.test(request.Name)) {
    throw new PlatformFault('InvalidParameter', `Name ${request.Name} is not lower-case letters, digits and dashes, at most 63.`)
  }
  if (Object.hasOwn(cluster.log.collectors, request.Name)) {
    throw new PlatformFault(
      'InvalidParameter',
      `Cluster ${cluster.clusterId} already has a log rule ${request.Name}; see UpdateLogCollector.`,
    )
  }
  cluster.log.collectors[request.Name] = {
    name: request.Name,
    description: request.Description ?? '',
    createdMs: context.now,
    inputType: request.InputType ?? 'container-log',
    outputType: request.OutputType ?? 'cls',
    input: inputOf(request.InputOption),
    output: outputOf(request.OutputOption),
  }
  return {}
}

/** Changes what was sent. Log set and topic of a rule are fixed (the manual, on updating log rules). */
export const updateLogCollector: TkeReducer<'UpdateLogCollector'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const collector = findCollector(cluster, request.Name)
  const output = request.OutputOption === undefined ? collector.output : outputOf(request.OutputOption)
  const moved = (['topicId', 'logsetId'] as const).find((key) => {
    const before = collector.output?.[key] ?? null
    return before !== null && before !== (output?.[key] ?? null)
  })
  if (moved !== undefined) {
    throw new PlatformFault(
      'InvalidParameter',
      `The ${moved} of log rule ${collector.name} cannot change; delete the rule and create it again.`,
    )
  }
  collector.description = request.Description ?? collector.description
  collector.inputType = request.InputType ?? collector.inputType
  collector.outputType = request.OutputType ?? collector.outputType
  collector.input = request.InputOption === undefined ? collector.input : inputOf(request.InputOption)
  collector.output = output
  return {}
}

/** Deletes a rule; one that is not there is an error. */
export const deleteLogCollector: TkeReducer<'DeleteLogCollector'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  delete cluster.log.collectors[findCollector(cluster, request.Name).name]
  return {}
}

export const getLogCollector: TkeReducer<'GetLogCollector'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  return { LogCollector: collectorAnswer(cluster, findCollector(cluster, request.Name)) }
}

export const checkIfLogCollectorExists: TkeReducer<'CheckIfLogCollectorExists'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  return { CheckResult: Object.hasOwn(cluster.log.collectors, request.Name) }
}

/** The rules of a cluster by name; Search matches a part of the name. */
export const listLogCollector: TkeReducer<'ListLogCollector'> = (request, context) => {
  const cluster = findCluster(context, request.ClusterId, 'InternalError')
  const rows = Object.values(cluster.log.collectors)
    .filter((collector) => collector.name.includes(request.Search ?? ''))
    .sort((one, other) => (one.name < other.name ? -1 : 1))
  return {
    TotalCount: rows.length,
    LogCollectorList: pageOf(rows, request, 'InvalidParameter').map((collector) => collectorAnswer(cluster, collector)),
  }
}

function collectorAnswer(cluster: ClusterState, collector: LogCollectorState): LogCollector {
  return {
    Name: collector.name,
    Description: collector.description,
    ClusterId: cluster.clusterId,
    ClusterName: cluster.clusterName,
    CreatedAt: isoTime(collector.createdMs),
    InputType: collector.inputType,
    OutputType: collector.outputType,
    InputOption: collector.input === null ? null : inputAnswer(collector.input),
    OutputOption:
      collector.output === null
        ? null
        : {
            InstanceId: collector.output.instanceId,
            TopicId: collector.output.topicId,
            Host: collector.output.host,
            Port: collector.output.port,
            Topic: collector.output.topic,
            LogsetId: collector.output.logsetId,
          },
  }
}

function inputOf(sent: LogInputOption | undefined): LogInputState | null {
  if (sent === undefined) return null
  const namespace = sent.Namespaces
  return {
    path: sent.Path ?? null,
    label: sent.Labels === undefined ? null : { name: sent.Labels.Name, value: sent.Labels.Value },
    allNamespaces: sent.AllNamespaces ?? null,
    namespace:
      namespace === undefined
        ? null
        : {
            namespace: namespace.Namespace,
            allContainers: namespace.AllContainers ?? null,
            services: namespace.Services === undefined ? null : [...namespace.Services],
          },
  }
}

function inputAnswer(input: LogInputState): LogInputOption {
  const namespace = input.namespace
  return {
    ...(input.path === null ? {} : { Path: input.path }),
    ...(input.label === null ? {} : { Labels: { Name: input.label.name, Value: input.label.value } }),
    ...(input.allNamespaces === null ? {} : { AllNamespaces: input.allNamespaces }),
    ...(namespace === null
      ? {}
      : {
          Namespaces: {
            Namespace: namespace.namespace,
            ...(namespace.allContainers === null ? {} : { AllContainers: namespace.allContainers }),
            ...(namespace.services === null ? {} : { Services: [...namespace.services] }),
          },
        }),
  }
}

function outputOf(sent: LogOutputOption | undefined): LogOutputState | null {
  if (sent === undefined) return null
  return {
    instanceId: sent.InstanceId ?? null,
    topicId: sent.TopicId ?? null,
    host: sent.Host ?? null,
    port: sent.Port ?? null,
    topic: sent.Topic ?? null,
    logsetId: sent.LogsetId ?? null,
  }
}
