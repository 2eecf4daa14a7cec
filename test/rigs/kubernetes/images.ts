import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { copyFileSync, createReadStream, mkdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

import { create } from 'tar'

/** What the images of a real node are called. They are made of what is on this machine; no registry is asked. */
export const images = {
  /** A shell and its tools. */
  busybox: 'rig.isobar.test/busybox:1',
  /** The same, with the Node that runs this. */
  node: 'rig.isobar.test/node:1',
  /** Folders, and nothing that could be run. */
  bare: 'rig.isobar.test/bare:1',
  /** Holds the network of a pod, and does nothing. */
  pause: 'rig.isobar.test/pause:1',
} as const

type Blob = { mediaType: string; digest: string; size: number }

/**
 * Writes an archive with all of them, as containerd imports it (OCI image-spec, image-layout.md). `folder` must be empty;
 * the archive is what is left in it.
 */
export async function writeImages(folder: string): Promise<string> {
  const bare = await layerOf(folder, 'bare', addFolders)
  const [base, withNode] = [await layerOf(folder, 'busybox', addBusybox), await layerOf(folder, 'node', addNode)]
  const layout = join(folder, 'layout')
  const manifests = [
    { name: images.busybox, layers: [base], command: ['/bin/sh'] },
    { name: images.node, layers: [base, withNode], command: ['/usr/local/bin/node'] },
    { name: images.bare, layers: [bare], command: ['/program'] },
    { name: images.pause, layers: [base], command: ['/bin/sleep', '2147483647'] },
  ].map(({ name, layers, command }) => ({
    ...manifestOf(layout, layers, command),
    annotations: { 'io.containerd.image.name': name },
  }))
  writeFileSync(join(layout, 'index.json'), JSON.stringify({ schemaVersion: 2, manifests }))
  writeFileSync(join(layout, 'oci-layout'), JSON.stringify({ imageLayoutVersion: '1.0.0' }))
  const archive = join(folder, 'images.tar')
  await create({ file: archive, cwd: layout, portable: true }, ['.'])
  rmSync(layout, { recursive: true })
  return archive
}

/** A layer of what `fill` puts into a folder, as a blob of the layout. */
async function layerOf(folder: string, name: string, fill: (root: string) => void): Promise<Blob> {
  const root = join(folder, name)
  mkdirSync(root)
  fill(root)
  const file = `${root}.tar`
  await create({ file, cwd: root, portable: true, preservePaths: false }, ['.'])
  rmSync(root, { recursive: true })
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  const digest = hash.digest('hex')
  const blobs = join(folder, 'layout', 'blobs', 'sha256')
  mkdirSync(blobs, { recursive: true })
  const { size } = statSync(file)
  renameSync(file, join(blobs, digest))
  return { mediaType: 'application/vnd.oci.image.layer.v1.tar', digest: `sha256:${digest}`, size }
}

function manifestOf(layout: string, layers: Blob[], command: string[]): Blob {
  const config = jsonBlob(layout, 'application/vnd.oci.image.config.v1+json', {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Entrypoint: command, Env: ['PATH=/usr/local/bin:/bin'] },
    rootfs: { type: 'layers', diff_ids: layers.map(({ digest }) => digest) },
  })
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  return jsonBlob(layout, mediaType, { schemaVersion: 2, mediaType, config, layers })
}

function jsonBlob(layout: string, mediaType: string, value: object): Blob {
  const text = JSON.stringify(value)
  const digest = createHash('sha256').update(text).digest('hex')
  writeFileSync(join(layout, 'blobs', 'sha256', digest), text)
  return { mediaType, digest: `sha256:${digest}`, size: Buffer.byteLength(text) }
}

function addFolders(root: string): void {
  for (const name of ['bin', 'etc', 'proc', 'sys', 'dev']) mkdirSync(join(root, name))
}

function addBusybox(root: string): void {
  const bin = join(root, 'bin')
  addFolders(root)
  mkdirSync(join(root, 'tmp'), { mode: 0o777 })
  writeFileSync(join(root, 'etc', 'passwd'), 'root:x:0:0:root:/:/bin/sh\n')
  copyFileSync('/bin/busybox', join(bin, 'busybox'))
  execFileSync(join(bin, 'busybox'), ['--install', bin]) // its tools, as hard links
}

/** Node, and the libraries that it is linked with. */
function addNode(root: string): void {
  const add = (from: string, to: string) => {
    mkdirSync(dirname(join(root, to)), { recursive: true })
    copyFileSync(from, join(root, to))
  }
  add(process.execPath, 'usr/local/bin/node')
  const linked = execFileSync('ldd', [process.execPath], { encoding: 'utf8' })
  for (const [, path = ''] of linked.matchAll(/(?:=> |^\s*)(\/\S+)/gm)) add(path, path)
}
