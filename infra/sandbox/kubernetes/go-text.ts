import { byText } from './json.ts'
import type { Verbatim } from './kube-fault.ts'
import type { IntOrString, LabelSelector, StringMap } from './shapes.ts'

/** Prints values as the API server's messages do: it shows structures the way its own language writes them. */
export function goStrings(map: StringMap | undefined): Verbatim {
  if (map === undefined) return { verbatim: 'map[string]string(nil)' }
  const entries = Object.entries(map)
    .sort(([left], [right]) => byText(left, right))
    .map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`)
  return { verbatim: `map[string]string{${entries.join(', ')}}` }
}

export function goSelector(selector: LabelSelector | null | undefined): Verbatim {
  if (selector === null || selector === undefined) return { verbatim: '(*v1.LabelSelector)(nil)' }
  const { matchLabels, matchExpressions } = selector
  const expressions = matchExpressions?.map(({ key, operator, values }) => {
    const list = values === undefined ? '[]string(nil)' : `[]string{${values.map((value) => JSON.stringify(value)).join(', ')}}`
    return `v1.LabelSelectorRequirement{Key:${JSON.stringify(key)}, Operator:${JSON.stringify(operator)}, Values:${list}}`
  })
  const shown =
    expressions === undefined ? '[]v1.LabelSelectorRequirement(nil)' : `[]v1.LabelSelectorRequirement{${expressions.join(', ')}}`
  return { verbatim: `v1.LabelSelector{MatchLabels:${goStrings(matchLabels).verbatim}, MatchExpressions:${shown}}` }
}

export function goIntOrString(value: IntOrString): Verbatim {
  return typeof value === 'number'
    ? { verbatim: `intstr.IntOrString{Type:0, IntVal:${value}, StrVal:""}` }
    : { verbatim: `intstr.IntOrString{Type:1, IntVal:0, StrVal:${JSON.stringify(value)}}` }
}

/** A structure too large to print here: only its type is named, where the server prints all of it. */
export function goStructure(type: string): Verbatim {
  return { verbatim: `${type}{…}` }
}
