export { type ImageName, parseImageName } from '#shared/pure/image-name.ts'
