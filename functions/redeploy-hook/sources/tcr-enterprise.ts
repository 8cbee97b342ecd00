import * as z from 'zod/mini'
import { success } from '#shared/pure/result.ts'
import { readJsonBody, shaped } from '#shared/runtime/read-body.ts'
import type { ReadSource } from '../source-reading.ts'
import { ArtifactData, otherEvent, readArtifacts, Seconds } from './harbor-shape.ts'

const shape = 'the body of a TCR Enterprise trigger'

const AnyEvent = z.looseObject({ type: z.string() })
const Push = z.looseObject({ occur_at: Seconds, event_data: ArtifactData })

/** Triggers of TCR Enterprise: Harbor's older format. They carry no id and no signature, only the header that the trigger was given. */
export const readTcrEnterprise: ReadSource = (body) => {
  const json = readJsonBody(body)
  if (!json.ok) return json
  const any = shaped(AnyEvent, json.value, shape)
  if (!any.ok) return any
  if (any.value.type !== 'pushImage') return success(otherEvent)
  const push = shaped(Push, json.value, shape)
  if (!push.ok) return push
  const { occur_at: seconds, event_data: data } = push.value
  return readArtifacts(data, String(seconds), seconds * 1000)
}
