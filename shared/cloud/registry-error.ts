export type RegistryErrorKind = 'registry.bad-answer' | 'registry.refused' | 'registry.unreachable' | 'registry.unknown-outcome'

/** What a registry answered that is no answer. The message says which registry and what; it holds no credential. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly kind: RegistryErrorKind

  constructor(kind: RegistryErrorKind, message: string, options?: { readonly cause?: unknown }) {
    super(message, options)
    this.kind = kind
  }
}
