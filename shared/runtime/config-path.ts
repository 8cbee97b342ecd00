const whole = 'the configuration'

/** `clusters[0].id`; a key that is no plain word is quoted. For the file as a whole, "the configuration". */
export function pathText(path: readonly PropertyKey[]): string {
  let text = ''
  for (const key of path) {
    if (typeof key === 'number') text += `[${key}]`
    else if (/^[A-Za-z_$][\w$-]*$/.test(String(key))) text += text === '' ? String(key) : `.${String(key)}`
    else text += `[${JSON.stringify(String(key))}]`
  }
  return text === '' ? whole : text
}

/** The keys of a path as `pathText` writes it; none for the configuration as a whole. */
export function pathKeys(text: string): readonly (string | number)[] {
  const keys: (string | number)[] = []
  for (const [, index, quoted, word] of text.matchAll(/\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|\.?([A-Za-z_$][\w$-]*)/g)) {
    if (index !== undefined) keys.push(Number(index))
    else if (quoted !== undefined) keys.push(String(JSON.parse(quoted)))
    else if (word !== undefined) keys.push(word)
  }
  return text === whole ? [] : keys
}
