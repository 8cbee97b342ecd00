/**
 * A list with one more at its end, made when there is none yet. For the many lists that have one entry or none: an empty one that is
 * pushed to makes room for seventeen.
 */
export function withOne<T>(list: T[] | undefined, one: T): T[] {
  if (list === undefined) return [one]
  list.push(one)
  return list
}
