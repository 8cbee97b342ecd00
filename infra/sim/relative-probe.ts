import * as z from 'zod/mini'
import { kubePath, kubeReader, kubeWriter } from '#cloud/kube.ts'
import { digestOf } from '#shared/pure/digest.ts'
import type { Step } from '#shared/pure/step.ts'
import type { FunctionConfig, ScheduleDefinition } from '#shared/runtime/definition.ts'

const ProbeSettings = z.strictObject({
  targets: z.array(z.strictObject({ cluster: z.string(), name: z.string() })),
  periodMs: z.int(),
})
type ProbeSettings = z.infer<typeof ProbeSettings>

const ProbeChange = z.strictObject({ cluster: z.string(), name: z.string(), nominalMs: z.int() })
type ProbeChange = z.infer<typeof ProbeChange>

/** Label that tells which step made an object. Holds a digest of its key. */
export const probeLabel = 'longshore.dev/probe'
/** Annotations with the key itself, and the instant. */
export const probeKeyAnnotation = 'longshore.dev/probe-key'
export const probeNominalAnnotation = 'longshore.dev/probe-nominal'

export const probePath = kubePath({ version: 'v1', resource: 'configmaps', namespace: 'default' })

/**
 * The hardest function for the kernel: each step adds an object under a name that the cluster chooses, so a repeated write adds
 * another one; and its plan never looks at what is there. It stands for every write that is relative and takes no token, and
 * runs under the name of the function that has such writes.
 */
export const relativeProbe: ScheduleDefinition<ProbeSettings, undefined, ProbeChange> = {
  name: 'alarm-scaler',
  settings: ProbeSettings,
  change: ProbeChange,
  observe: () => Promise.resolve(undefined),
  plan: (_, { settings }, now) =>
    settings.targets.flatMap(({ cluster, name }) =>
      [1, 0].map((periodsAgo): Step<ProbeChange> => {
        const nominalMs = (Math.floor(now / settings.periodMs) - periodsAgo) * settings.periodMs
        return {
          key: `probe:${digestOf([cluster, name, nominalMs])}`,
          target: `${cluster}/default/Ledger/${name}`,
          before: '',
          after: 'one more',
          reason: { code: 'due', text: `one more is due since ${new Date(nominalMs).toISOString()}` },
          verdict: 'change',
          change: { cluster, name, nominalMs },
        }
      }),
    ),
  apply: async ({ change, key }, cloud, config) => {
    const kube = kubeWriter(cloud, change.cluster, regionOf(config, change.cluster))
    await kube.create(probePath, {
      apiVersion: 'v1',
      kind: 'ConfigMap',
      metadata: {
        generateName: `${change.name}-`,
        namespace: 'default',
        labels: { [probeLabel]: labelOf(key) },
        annotations: { [probeKeyAnnotation]: key, [probeNominalAnnotation]: String(change.nominalMs) },
      },
    })
    return { outcome: 'Applied' }
  },
  settle: async ({ change, key }, cloud, config) => {
    const { items } = await kubeReader(cloud, change.cluster, regionOf(config, change.cluster)).list(probePath, {
      labelSelector: `${probeLabel}=${labelOf(key)}`,
    })
    return items.length > 0 ? 'applied' : 'not-applied'
  },
}

function labelOf(key: string): string {
  return key.slice(key.indexOf(':') + 1)
}

function regionOf(config: FunctionConfig<ProbeSettings>, cluster: string): { readonly region?: string } {
  const region = config.clusters.find(({ id }) => id === cluster)?.region
  return region === undefined ? {} : { region }
}
