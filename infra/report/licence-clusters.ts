import type { ClusterCores } from '#shared/licence/cross-check.ts'
import { formatInstant } from '#shared/pure/civil.ts'
import { type Html, html } from './html.ts'
import { htmlTable } from './html-table.ts'
import type { LicenceReport } from './licence-report.ts'

/** A page lists so many namespaces of a cluster, those that ask for most. */
const mostNamespaces = 50

/** What the nodes of the clusters have, by pool, and what the pods of each namespace ask for: where the cores are. Nothing where nobody looked. */
export function clusterTables({ clusters, settings: { timeZone: zone } }: LicenceReport): Html | undefined {
  if (clusters.length === 0) return undefined
  return html`<h2 id="clusters">Where the cores are</h2>
<p>What the nodes themselves say they have, to compare with what is reported. Virtual nodes are not counted: what they say they have is nobody's machine.</p>
${htmlTable({
  caption: 'Cores of nodes by cluster and node pool',
  columns: [
    { title: 'Cluster', kind: 'moment' },
    { title: 'Region' },
    { title: 'Pool', kind: 'moment' },
    { title: 'Nodes', kind: 'number' },
    { title: 'Cores', kind: 'number' },
    { title: `Read (${zone})`, kind: 'moment' },
  ],
  stacks: true,
  rows: clusters.flatMap(({ cluster, region, at, cores, nodes, notReady, pools }) => {
    const read = formatInstant(Date.parse(at), zone).slice(4, 20)
    return [
      [cluster, region, html`<strong>all</strong>`, String(nodes), cores, read],
      ...inOrder(pools).map(([name, pool]) => [cluster, region, name, String(pool.nodes), pool.cores, '']),
      ...(notReady === undefined ? [] : [[cluster, region, 'of these not ready', String(notReady.nodes), notReady.cores, '']]),
    ]
  }),
})}
${htmlTable({
  caption: 'Cores that pods ask for, by namespace',
  columns: [
    { title: 'Cluster', kind: 'moment' },
    { title: 'Namespace', kind: 'name' },
    { title: 'Pods', kind: 'number' },
    { title: 'Cores', kind: 'number' },
  ],
  stacks: true,
  rows: clusters.flatMap(({ cluster, namespaces }) =>
    inOrder(namespaces)
      .slice(0, mostNamespaces)
      .map(([name, { pods, cores }]) => [cluster, name, String(pods), cores]),
  ),
})}
${clusters.map(({ cluster, namespaces }) => moreNamespaces(cluster, Object.keys(namespaces).length))}`
}

function moreNamespaces(cluster: string, count: number): Html | undefined {
  return count > mostNamespaces
    ? html`<p class="faint">${count - mostNamespaces} more namespaces of ${cluster} ask for less; <code>--json</code> has all of them.</p>`
    : undefined
}

/** Those with the most cores first. */
function inOrder<T extends Pick<ClusterCores, 'cores'>>(byName: Readonly<Record<string, T>>): readonly (readonly [string, T])[] {
  return Object.entries(byName).toSorted(([oneName, one], [otherName, other]) => {
    const difference = Number(other.cores) - Number(one.cores)
    return difference !== 0 ? difference : oneName < otherName ? -1 : 1
  })
}
