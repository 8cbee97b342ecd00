import type { ApiRequest } from './api-request.ts'
import { isCustomKind } from './custom-kinds.ts'
import type { JsonObject } from './json.ts'
import { isJsonObject, parseJson } from './json.ts'
import { jsonPatch, PatchFault, PatchSyntaxFault } from './json-patch.ts'
import type { KindFacts } from './kinds.ts'
import { badRequest, KubeFault, notModelled, unprocessablePatch, unsupportedMediaType } from './kube-fault.ts'
import { mergePatch } from './merge-patch.ts'
import { unreadablePatch } from './registry.ts'
import { DirectiveFault, strategicPatch } from './strategic-patch.ts'

const jsonType = 'application/json-patch+json'
const mergeType = 'application/merge-patch+json'
const strategicType = 'application/strategic-merge-patch+json'
const applyType = 'application/apply-patch+yaml'

/**
 * Applies the patch in a request to an object in the version it is shown in, and answers the result, not yet typed. With
 * no object only the content type is checked. Throws KubeFault: a type the kind does not take (custom kinds take no
 * strategic patch), a patch that is none, one that does not fit the object.
 */
export function patchedObject(
  facts: KindFacts,
  version: string,
  object: JsonObject | undefined,
  request: ApiRequest,
  structure: string | undefined = structureIn(facts, version),
): JsonObject {
  const isTyped = !isCustomKind(facts)
  const accepted = [jsonType, mergeType, ...(isTyped ? [strategicType] : []), applyType]
  if (!accepted.includes(request.contentType)) {
    throw isTyped ? new KubeFault(415, 'UnsupportedMediaType', '415: Unsupported Media Type', {}) : unsupportedMediaType(accepted)
  }
  if (request.contentType === applyType) throw notModelled(415, 'server-side apply', `send a patch of type ${mergeType} instead`)
  if (object === undefined) return {}
  const patch = parseJson(request.body)
  try {
    switch (request.contentType) {
      case jsonType:
        if (patch === undefined) throw badRequest(noJson(request.body))
        return jsonPatch(object, patch)
      case mergeType: {
        if (Array.isArray(patch)) throw unreadablePatch(facts, patch, "couldn't get version/kind; json parse error: it is a list")
        if (!isJsonObject(patch)) throw new KubeFault(500, '', 'Invalid JSON Patch')
        const merged = mergePatch(object, patch)
        return isJsonObject(merged) ? merged : {}
      }
      default:
        if (patch === undefined) throw badRequest(noJson(request.body))
        if (!isJsonObject(patch)) {
          const type = Array.isArray(patch) ? 'array' : typeof patch
          throw badRequest(`json: cannot unmarshal ${type} into Go value of type map[string]interface {}`)
        }
        return structure === undefined ? {} : strategicPatch(structure, object, patch)
    }
  } catch (error) {
    if (error instanceof PatchSyntaxFault) throw badRequest(error.message)
    if (error instanceof PatchFault) throw unprocessablePatch()
    if (error instanceof DirectiveFault) throw new KubeFault(500, '', error.message)
    throw error
  }
}

function structureIn(facts: KindFacts, version: string): string | undefined {
  return facts.kind === 'HorizontalPodAutoscaler' && version === 'v1' ? 'autoscaling/v1.HorizontalPodAutoscaler' : facts.structure
}

/** What the server's parser says about text that is no JSON, as far as its first character tells. */
function noJson(text: string): string {
  const first = text.trim().charAt(0)
  if (first === '' || '{["'.includes(first)) return 'unexpected end of JSON input'
  return `invalid character '${first}' looking for beginning of value`
}
