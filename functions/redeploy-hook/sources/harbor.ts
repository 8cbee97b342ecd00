import * as z from 'zod/mini'
import { failure, success } from '#shared/pure/result.ts'
import { readJsonBody, shaped } from '#shared/runtime/read-body.ts'
import { instantOf, type ReadSource } from '../source-reading.ts'
import { ArtifactData, otherEvent, readArtifacts, Seconds } from './harbor-shape.ts'

const shape = 'a webhook of Harbor, in its default format or as a CloudEvent'

const AnyEvent = z.looseObject({ type: z.string() })
const DefaultPush = z.looseObject({ occur_at: Seconds, event_data: ArtifactData })
const CloudEventPush = z.looseObject({ specversion: z.literal('1.0'), time: z.string(), data: ArtifactData })

/**
 * Webhooks of Harbor. Neither format has an id that a second delivery would share (that of a CloudEvent is made anew each time), so
 * a push is known by its time, tag and digest. Where an artifact has no tag, as the parts of a multi-platform image, Harbor puts the
 * digest in its place, and that comes to nothing.
 */
export const readHarbor: ReadSource = (body) => {
  const json = readJsonBody(body)
  if (!json.ok) return json
  const any = shaped(AnyEvent, json.value, shape)
  if (!any.ok) return any
  switch (any.value.type) {
    case 'PUSH_ARTIFACT': {
      const push = shaped(DefaultPush, json.value, shape)
      if (!push.ok) return push
      const { occur_at: seconds, event_data: data } = push.value
      return readArtifacts(data, String(seconds), seconds * 1000)
    }
    case 'harbor.artifact.pushed':
    // Somebody gave an artifact that was there another tag.
    case 'harbor.tag.created': {
      const push = shaped(CloudEventPush, json.value, shape)
      if (!push.ok) return push
      const { time, data } = push.value
      const pushedMs = instantOf(time)
      return pushedMs === undefined ? failure(`the body must be ${shape}; time does not fit`) : readArtifacts(data, time, pushedMs)
    }
    default:
      return success(otherEvent)
  }
}
