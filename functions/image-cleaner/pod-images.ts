import * as z from 'zod/mini'

const Container = z.object({ name: z.optional(z.string()), image: z.optional(z.nullable(z.string())) })

const ContainerStatus = z.object({
  name: z.optional(z.string()),
  image: z.optional(z.nullable(z.string())),
  imageID: z.optional(z.nullable(z.string())),
  state: z.optional(z.nullable(z.object({ waiting: z.optional(z.nullable(z.object({ reason: z.optional(z.nullable(z.string())) }))) }))),
})

const containers = z.optional(z.nullable(z.array(Container)))
const statuses = z.optional(z.nullable(z.array(ContainerStatus)))

/** The parts of a pod's spec that name images. */
export const PodSpec = z.object({
  containers,
  initContainers: containers,
  ephemeralContainers: containers,
  // Image volumes: they are pulled as containers are.
  volumes: z.optional(
    z.nullable(
      z.array(z.object({ name: z.optional(z.string()), image: z.optional(z.nullable(z.object({ reference: z.optional(z.string()) }))) })),
    ),
  ),
})

export const PodStatus = z.object({
  phase: z.optional(z.nullable(z.string())),
  containerStatuses: statuses,
  initContainerStatuses: statuses,
  ephemeralContainerStatuses: statuses,
})

/** An image that a container asks for. */
export interface AskedImage {
  /** As it is written. */
  readonly image: string
  /** `container app`, `init container migrate`. */
  readonly place: string
}

/** Every image that a pod of this spec would pull. */
export function imagesOfSpec(spec: z.infer<typeof PodSpec>): readonly AskedImage[] {
  const named = (kind: string, list: z.infer<typeof containers>): AskedImage[] =>
    (list ?? []).flatMap(({ name = '', image }) =>
      image === undefined || image === null || image === '' ? [] : [{ image, place: `${kind} ${name}` }],
    )
  return [
    ...named('container', spec.containers),
    ...named('init container', spec.initContainers),
    ...named('ephemeral container', spec.ephemeralContainers),
    ...(spec.volumes ?? []).flatMap(({ name = '', image }) =>
      image?.reference === undefined || image.reference === '' ? [] : [{ image: image.reference, place: `volume ${name}` }],
    ),
  ]
}

/** What a pod says that it runs. `imageID` names the content; some runtimes report only a digest there, which `image` completes. */
export interface RunningImage {
  readonly image: string
  readonly imageId: string
  readonly place: string
  /** `ImagePullBackOff` and its like, where the container waits for its image. */
  readonly waiting?: string | undefined
}

export function imagesOfStatus(status: z.infer<typeof PodStatus>): readonly RunningImage[] {
  const named = (kind: string, list: z.infer<typeof statuses>): RunningImage[] =>
    (list ?? []).map(({ name = '', image, imageID, state }) => {
      const waiting = state?.waiting?.reason ?? undefined
      return { image: image ?? '', imageId: imageID ?? '', place: `${kind} ${name}`, ...(waiting === undefined ? {} : { waiting }) }
    })
  return [
    ...named('container', status.containerStatuses),
    ...named('init container', status.initContainerStatuses),
    ...named('ephemeral container', status.ephemeralContainerStatuses),
  ]
}
