import { closeSync, createReadStream, openSync, readdirSync, readSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'

import type { SpecRequest, ValidateView } from '#api/views.ts'
import { didYouMean } from '#kit/did-you-mean.ts'

import type { Api } from './client.ts'
import { CliFault, exitCodes } from './fault.ts'
import { homeOf } from './home.ts'
import { note, progress, readStdin, type Io } from './io.ts'
import { count } from './output/words.ts'

const mostSpecBytes = 10_000_000

/** The text of a spec, what to call it in messages, and the folder that its paths start from. */
export type SpecText = { text: string; filename: string; folder: string }

/** Reads a spec file; `-` is standard input. */
export async function readSpec(io: Io, file: string): Promise<SpecText> {
  if (file === '-') {
    const text = textOf(await readStdin(io, mostSpecBytes), 'of standard input')
    return { text, filename: 'standard input', folder: io.cwd }
  }
  const path = resolve(io.cwd, file)
  return { text: textOf(bytesOf(path, file), file), filename: file, folder: dirname(path) }
}

/** The bytes of a file, which may also be a pipe. */
function bytesOf(path: string, file: string): Buffer {
  try {
    const bytes = readBounded(path, mostSpecBytes)
    if (bytes.length <= mostSpecBytes) return bytes
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    const near = code === 'ENOENT' ? didYouMean(basename(file), namesIn(dirname(path))) : undefined
    const why = code === 'ENOENT' ? 'There is no such file.' : code === 'EISDIR' ? 'It is a folder.' : String(error)
    throw new CliFault(`the spec ${file} cannot be read`, {
      code: exitCodes.usage,
      why: near ? `Did you mean ${join(dirname(file), near)}?` : why,
      next: [code === 'EACCES' ? `ls -l ${file}` : 'isobar init (writes one)'],
    })
  }
  throw new CliFault(`the spec ${file} is larger than ${mostSpecBytes / 1_000_000} MB`, {
    code: exitCodes.usage,
    why: 'What a run needs of data and programs belongs into its workdir.',
    next: ['split it into several files'],
  })
}

/** At most one byte more than `most`, however long the file says that it is. */
function readBounded(path: string, most: number): Buffer {
  const file = openSync(path, 'r')
  try {
    const bytes = Buffer.allocUnsafe(most + 1)
    let size = 0
    for (let read = -1; read !== 0 && size < bytes.length; size += read)
      read = readSync(file, bytes, size, bytes.length - size, null)
    return Buffer.from(bytes.subarray(0, size))
  } finally {
    closeSync(file)
  }
}

/** Text in UTF-8; other bytes would be run as something that nobody wrote. */
function textOf(bytes: Buffer, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    throw new CliFault(`the spec ${file} is not text in UTF-8`, {
      code: exitCodes.usage,
      next: [`iconv -f latin1 -t utf-8 ${file} (if it is text in Latin-1; -f utf-16 if it comes from Windows)`],
    })
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder)
  } catch {
    return []
  }
}

/** What a command line adds to a spec. */
export type SpecChanges = { project?: string | undefined; name?: string | undefined; env?: readonly string[] }

/** What the server is asked to plan: the text with all that its documents take along, packed and sent. */
export async function prepare(
  at: { io: Io; api: Api },
  spec: SpecText,
  changes: SpecChanges = {},
): Promise<SpecRequest> {
  const { io, api } = at
  const named = { filename: spec.filename, ...(changes.project ? { project: changes.project } : {}) }
  const checked = await api.send<ValidateView>('POST', '/v1/validate', { text: spec.text, ...named })
  for (const warning of checked.warnings) note(io, `warning: ${warning}`)
  const text = await changed(spec.text, changes)
  const bundles: Record<string, string> = {}
  const sent = new Map<string, string>()
  for (const [index, { workdir }] of checked.documents.entries()) {
    if (workdir === null) continue
    const folder = resolve(spec.folder, workdir)
    const hash = sent.get(folder) ?? (await sendFolder(io, api, folder))
    sent.set(folder, hash)
    bundles[index] = hash
  }
  return { text, ...named, bundles }
}

/** The text with --name and --env put into it. */
async function changed(text: string, { name, env = [] }: SpecChanges): Promise<string> {
  if (name === undefined && env.length === 0) return text
  const { isMap, parseAllDocuments } = await import('yaml')
  const documents = [...parseAllDocuments(text)].filter((document) => isMap(document.contents))
  if (name !== undefined && documents.length !== 1)
    throw new CliFault('--name is for a file with one document', { code: exitCodes.usage, next: ['isobar run --help'] })
  for (const document of documents) {
    if (name !== undefined) document.set('name', name)
    for (const [key, value] of env.map(pairOf)) document.setIn(['env', key], value)
  }
  return documents.map(String).join('---\n')
}

/** Reads `NAME=value`. */
export function pairOf(text: string): [string, string] {
  const at = text.indexOf('=')
  if (at > 0) return [text.slice(0, at), text.slice(at + 1)]
  // What stands there is not repeated: it may be the value, and a secret.
  throw new CliFault('--env is given something that is not NAME=value', {
    code: exitCodes.usage,
    next: ['isobar run --env NAME=value …'],
  })
}

/** A file that this user may not read, or that went away meanwhile. */
function unreadable(error: unknown): { problem: string; fix: string } {
  if (!(error instanceof Error && 'code' in error && 'path' in error)) throw error
  return { problem: error.message, fix: `make ${String(error.path)} readable, or add it to .isobarignore` }
}

/** Packs a folder and sends it, unless the server has it already. Returns its hash. */
async function sendFolder(io: Io, api: Api, folder: string): Promise<string> {
  const { packBundle } = await import('#kit/bundle.ts') // most specs take no folder along
  const cacheDir = join(homeOf(io), 'cache', 'bundles')
  let what = `packing ${folder} …`
  const stop = progress(io, () => what)
  try {
    const bundle = await packBundle(folder, { cacheDir }).catch(unreadable)
    if ('problem' in bundle)
      throw new CliFault(`the workdir cannot be taken along: ${bundle.problem}`, {
        code: exitCodes.usage,
        next: [bundle.fix],
      })
    for (const path of bundle.skipped) note(io, `warning: ${path} is no file and stays behind`)
    const path = `/v1/bundles/${bundle.hash}`
    const known = await api.raw('HEAD', path)
    known.resume()
    if (known.statusCode === 200) return bundle.hash
    what = `sending ${count(bundle.files, 'file')}, ${(bundle.bytes / 1024 ** 2).toFixed(1)} MB …`
    const headers = { 'content-type': 'application/octet-stream', 'content-length': String(bundle.bytes) }
    const sent = await api.open('PUT', path, { headers, body: createReadStream(bundle.path) })
    sent.resume()
    return bundle.hash
  } finally {
    stop()
  }
}
