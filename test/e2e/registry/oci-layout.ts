import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'

export interface LayoutImage {
  /** The one file in it. The same text makes the same layer. */
  readonly text: string
  readonly architecture?: string
  /** When it says that it was built. */
  readonly created?: string
}

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

/** The digests of what was written: of the image or index, and of the images in the index. */
export interface Written {
  readonly digest: string
  readonly children: readonly string[]
}

const manifestType = 'application/vnd.oci.image.manifest.v1+json'
const indexType = 'application/vnd.oci.image.index.v1+json'

/** Writes a folder in the OCI image layout, as build tools make it: one image, or an index of several. */
export function writeLayout(folder: string, images: readonly LayoutImage[]): Written {
  mkdirSync(join(folder, 'blobs', 'sha256'), { recursive: true })
  const put = (mediaType: string, content: Buffer | object): Descriptor => {
    const bytes = Buffer.isBuffer(content) ? content : Buffer.from(JSON.stringify(content))
    const hex = createHash('sha256').update(bytes).digest('hex')
    writeFileSync(join(folder, 'blobs', 'sha256', hex), bytes)
    return { mediaType, digest: `sha256:${hex}`, size: bytes.length }
  }
  const children = images.map(({ text, architecture = 'amd64', created = '2026-01-01T00:00:00Z' }) => {
    const tar = tarOf('app.txt', text)
    const layer = put('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(tar))
    const diffId = `sha256:${createHash('sha256').update(tar).digest('hex')}`
    const config = put('application/vnd.oci.image.config.v1+json', {
      created,
      architecture,
      os: 'linux',
      config: { Cmd: ['/app.txt'] },
      rootfs: { type: 'layers', diff_ids: [diffId] },
      history: [{ created, created_by: 'test' }],
    })
    const manifest = put(manifestType, { schemaVersion: 2, mediaType: manifestType, config, layers: [layer] })
    return { ...manifest, platform: { architecture, os: 'linux' } }
  })
  const [first] = children
  if (first === undefined) throw new Error('a layout needs an image')
  const top = children.length === 1 ? first : put(indexType, { schemaVersion: 2, mediaType: indexType, manifests: children })
  const { mediaType, digest, size } = top
  const named = { mediaType, digest, size, annotations: { 'org.opencontainers.image.ref.name': 'it' } }
  writeFileSync(join(folder, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests: [named] }))
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}')
  return { digest, children: children.length === 1 ? [] : children.map((child) => child.digest) }
}

/** A tar archive of one file (POSIX ustar). */
function tarOf(name: string, text: string): Buffer {
  const content = Buffer.from(text)
  const header = Buffer.alloc(512)
  header.write(name, 0)
  header.write('0000644\0', 100)
  header.write('0000000\0', 108)
  header.write('0000000\0', 116)
  header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
  header.write('00000000000\0', 136)
  header.write('        ', 148)
  header.write('0', 156)
  header.write('ustar\x0000', 257)
  const sum = header.reduce((total, byte) => total + byte, 0)
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
  return Buffer.concat([header, content, Buffer.alloc((512 - (content.length % 512)) % 512), Buffer.alloc(1024)])
}
