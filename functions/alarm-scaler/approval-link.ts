import { digestOf } from '#shared/pure/digest.ts'
import { linkEnd } from '#shared/runtime/approval/approval-token.ts'
import { type SuggestionRequest, suggestionTokens } from './suggestion-token.ts'

/** How links are made; as the settings say, with the secret that they refer to. */
export interface LinkSettings {
  readonly secret: string
  readonly baseUrl: string
  /** How long a link is good for, milliseconds. */
  readonly expires: number
}

/**
 * The link by which somebody can agree to a suggestion. It is good for at least `expires`, and up to an hour longer: within one hour the
 * same suggestion gives the same link, so that whoever is told twice is not asked twice. Throws ApprovalSecretError.
 */
export function linkFor(suggestion: Omit<SuggestionRequest, 'expiresAt' | 'nonce'>, settings: LinkSettings, now: number): string {
  const expiresAt = linkEnd(now, settings.expires)
  const request = { ...suggestion, expiresAt, nonce: digestOf([suggestion.key, suggestion.nodes, expiresAt]) }
  return suggestionTokens.link(settings.baseUrl, suggestionTokens.sign(request, settings.secret))
}
