import { createHash, randomBytes } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { access, open, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'

import { type Copied, empty, readAll, type Part, writeAll } from './copy-rows.ts'
import { StoreProblem } from './embedded/store-problem.ts'

const format = 'isobar-backup-1'

/**
 * Writes all rows of one moment to a file that only its owner reads: gzipped lines of JSON, a head with the migrations
 * they fit, and a last line with the counts and a SHA-256 of all before it. Secrets are in it as they are stored:
 * sealed, of no use without the house's key. The store may be in use meanwhile.
 */
export async function backup({ url, file }: { url: string; file: string }): Promise<Copied> {
  if (await exists(file))
    throw new StoreProblem(
      `${file} is there already, and a backup overwrites nothing.\nChoose another name: isobar db backup <file>`,
    )
  const partial = `${file}.${randomBytes(4).toString('hex')}.partial`
  const counts: Copied = {}
  try {
    await pipeline(
      Readable.from(lines(readAll(url), counts)),
      createGzip({ level: 3 }),
      createWriteStream(partial, { mode: 0o600, flags: 'wx', flush: true }),
    )
    await rename(partial, file)
    await settle(dirname(file))
    return counts
  } catch (error) {
    await rm(partial, { force: true })
    throw asProblem(error, file)
  }
}

/** Reads a backup into a database that holds nothing yet. All of it, proven by counts and checksum, or nothing. */
export async function restore({ url, file }: { url: string; file: string }): Promise<Copied> {
  await empty(url)
  try {
    return await writeAll(url, parts(file))
  } catch (error) {
    throw asProblem(error, file)
  }
}

/** Copies everything into another database, which must hold nothing yet; stop the control plane before. */
export async function moveTo({ from, to }: { from: string; to: string }): Promise<Copied> {
  await empty(to)
  return writeAll(to, readAll(from))
}

async function* lines(all: AsyncIterable<Part>, counts: Copied): AsyncGenerator<string> {
  const hash = createHash('sha256')
  const line = (text: string): string => {
    hash.update(text).update('\n')
    return `${text}\n`
  }
  for await (const part of all) {
    if ('migrations' in part) yield line(JSON.stringify({ format, ...part }))
    else {
      counts[part.table] = (counts[part.table] ?? 0) + part.rows.length
      yield line(JSON.stringify({ table: part.table, rows: part.rows.length })) + part.rows.map(line).join('')
    }
  }
  yield `${JSON.stringify({ end: counts, sha256: hash.digest('hex') })}\n`
}

const damaged = (file: string): StoreProblem =>
  new StoreProblem(
    `${file} is not a whole backup: it was cut off, changed, or is something else.\nUse another one: isobar db restore <file>`,
  )

/** Reads what `lines` wrote, and ends without a fault only if it is whole. */
async function* parts(file: string): AsyncGenerator<Part> {
  const hash = createHash('sha256')
  const source = createReadStream(file)
  const plain = createGunzip()
  source.on('error', (error) => plain.destroy(error))
  const reader = createInterface({ input: source.pipe(plain), crlfDelay: Infinity })[Symbol.asyncIterator]()
  const next = async (): Promise<string> => {
    const { value, done } = await reader.next()
    if (done) throw damaged(file)
    return value
  }
  const counts: Copied = {}
  try {
    for (let text = await next(); ; text = await next()) {
      const line = JSON.parse(text) as Line // checked by the sum at the end, before anything is committed
      if ('end' in line) {
        const same = JSON.stringify(line.end) === JSON.stringify(counts) && line.sha256 === hash.digest('hex')
        if (!same) throw damaged(file)
        return
      }
      hash.update(text).update('\n')
      if ('format' in line) {
        if (line.format !== format) throw damaged(file)
        yield { migrations: line.migrations }
        continue
      }
      const rows: string[] = []
      for (let i = 0; i < line.rows; i++) rows.push(await next())
      for (const row of rows) hash.update(row).update('\n')
      counts[line.table] = (counts[line.table] ?? 0) + rows.length
      yield { table: line.table, rows }
    }
  } finally {
    source.destroy()
  }
}
type Line = { format: string; migrations: string[] } | { table: string; rows: number } | { end: Copied; sha256: string }

function asProblem(error: unknown, file: string): unknown {
  if (error instanceof StoreProblem || !(error instanceof Error)) return error
  const code = 'code' in error ? String(error.code) : ''
  if (code.startsWith('Z_') || error instanceof SyntaxError) return damaged(file)
  if (code === 'ENOSPC')
    return new StoreProblem(
      `The disk is full, so ${file} was not written.\nFree some space or write elsewhere: df -h ${dirname(file)}`,
    )
  if (['ENOENT', 'EACCES', 'EISDIR', 'EPERM', 'EROFS', 'ENOTDIR'].includes(code))
    return new StoreProblem(
      `${file} cannot be used (${error.message}).\nName a file that you may read and write: ls -la ${dirname(file)}`,
    )
  return error
}

const exists = (file: string): Promise<boolean> =>
  access(file).then(
    () => true,
    () => false,
  )

/** The new name of the file must survive a power cut too. */
async function settle(folder: string): Promise<void> {
  const handle = await open(folder)
  await handle.sync().finally(() => handle.close())
}
