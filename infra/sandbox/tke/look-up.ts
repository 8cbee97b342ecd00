/** The entry of a map under a key that a stranger chose: `constructor` and `__proto__` are not found in an empty one. */
export function lookUp<Value>(map: { readonly [key: string]: Value }, key: string): Value | undefined {
  return Object.hasOwn(map, key) ? map[key] : undefined
}
