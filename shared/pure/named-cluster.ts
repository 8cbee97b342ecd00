import { quote } from './clip.ts'
import { nearest } from './nearest.ts'
import { failure, type Result, success } from './result.ts'

/** What a cluster goes by: its id, and the name that people gave it. */
export interface NamedCluster {
  readonly id: string
  readonly name?: string | undefined
}

export interface ClusterProblem {
  readonly code: 'cluster-unknown' | 'cluster-ambiguous'
  readonly text: string
}

/** The id of the cluster that somebody means. What is the id of one and the name of another means neither. */
export function clusterIdOf(wanted: string, clusters: readonly NamedCluster[]): Result<string, ClusterProblem> {
  const byId = clusters.find(({ id }) => id === wanted)
  const [byName, ...more] = clusters.filter(({ id, name }) => name === wanted && id !== byId?.id)
  const found = byId ?? byName
  if (found === undefined) {
    const near = nearest(
      wanted,
      clusters.flatMap(({ id, name }) => (name === undefined ? [id] : [name, id])),
    )
    const advice = near === undefined ? 'write the id or the name of one' : `did you mean "${near}"?`
    return failure({ code: 'cluster-unknown', text: `${quote(wanted)} is none of the configured clusters: ${advice}` })
  }
  const other = byId === undefined ? more[0] : byName
  if (other === undefined) return success(found.id)
  const what = byId === undefined ? `the name of ${found.id} and of ${other.id}` : `the id of ${found.id} and the name of ${other.id}`
  return failure({
    code: 'cluster-ambiguous',
    text: `${quote(wanted)} is ${what}, so nobody knows which is meant: give one of them another name`,
  })
}
