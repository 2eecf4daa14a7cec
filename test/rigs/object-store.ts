import { spawn, spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

// A real server of S3 over a folder: Versity's gateway, an open-source program that checks signatures, takes parts, and
// knows buckets by their host as well as by their path.

const module = 'github.com/versity/versitygw/cmd/versitygw'
const version = 'v1.8.0'

export const howToGetGo =
  'there is no Go on this machine, with which the object store for tests is built: https://go.dev/doc/install'

/** The version of Go on this machine, or null where there is none. */
export function goHere(): string | null {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/** The program, built by Go's module proxy: two minutes of a core, once; it is kept in the user's cache. */
export async function storeBinary(tell: (line: string) => void = () => {}): Promise<string> {
  const go = goHere()
  if (go === null) throw new Error(howToGetGo)
  const cache = process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache')
  const folder = join(cache, 'isobar', 'rigs', 'object-store', `${version}-${go}`)
  const path = join(folder, 'versitygw')
  const isThere = await access(path).then(
    () => true,
    () => false,
  )
  if (isThere) return path
  await mkdir(folder, { recursive: true })
  tell(`building the object store, once, into ${folder}: this takes minutes`)
  const partial = await mkdtemp(join(folder, 'build-'))
  try {
    const env = { ...process.env, GOBIN: partial, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '' }
    const argv = ['-n', '15', 'go', 'install', '-trimpath', '-ldflags=-s -w', `${module}@${version}`]
    const { status, stderr } = spawnSync('nice', argv, { env, encoding: 'utf8' })
    if (status !== 0) throw new Error(`${module} could not be built: ${stderr.slice(-2000)}`)
    await rename(join(partial, 'versitygw'), path) // whoever builds it at the same time makes the same
  } finally {
    await rm(partial, { recursive: true, force: true })
  }
  return path
}

export type ObjectStore = {
  endpoint: string
  region: string
  /** The name below which buckets are hosts; nobody resolves it. */
  domain: string
  keys: { AWS_ACCESS_KEY_ID: string; AWS_SECRET_ACCESS_KEY: string }
  /** A folder in it is a bucket, and a file an object. */
  folder: string
  addBucket(name: string): Promise<void>
  /** Stops to answer, or answers again. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

/** What sites.yaml says of sites that keep their checkpoints in a bucket of a store. */
export const keptIn = ({ endpoint, region }: ObjectStore, place: string) => ({
  checkpoints: `s3://${place}`,
  checkpointsEndpoint: endpoint,
  checkpointsRegion: region,
  checkpointsSecret: 'MODELS',
  patience: '5s',
})

/** Keys as people keep them in a file. */
export const keyFile = (keys: Record<string, string>): string =>
  Object.entries(keys)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')

/** Starts a server on a free port of an address, and waits until it answers. */
export async function startObjectStore(options: { address?: string } = {}): Promise<ObjectStore> {
  const { address = '127.0.0.1' } = options
  const binary = await storeBinary(console.error)
  const root = await mkdtemp(join(tmpdir(), 'isobar-object-store-'))
  const folder = join(root, 'buckets')
  const meta = join(root, 'meta')
  for (const one of [folder, meta]) await mkdir(one)
  const keys = {
    AWS_ACCESS_KEY_ID: `rig${randomBytes(8).toString('hex')}`,
    AWS_SECRET_ACCESS_KEY: randomBytes(20).toString('hex'),
  }
  const [region, domain] = ['rig-east-1', 's3.rig.test']
  const endpoint = `http://${address}:${await freePort(address)}`
  const argv = ['--quiet', '--region', region, '--virtual-domain', domain, '--port', new URL(endpoint).host]
  let server: ReturnType<typeof spawn> | undefined
  const kill = async () => {
    if (!server || server.exitCode !== null || server.signalCode !== null) return
    server.kill('SIGKILL')
    await once(server, 'exit')
  }
  const start = async () => {
    const env = {
      PATH: process.env['PATH'],
      ROOT_ACCESS_KEY: keys.AWS_ACCESS_KEY_ID,
      ROOT_SECRET_KEY: keys.AWS_SECRET_ACCESS_KEY,
    }
    server = spawn(binary, [...argv, 'posix', '--sidecar', meta, folder], { env, stdio: 'ignore' })
    for (const until = performance.now() + 60_000; performance.now() < until; await pause(50))
      if (await answers(endpoint)) return
    throw new Error(`the object store does not answer at ${endpoint}`)
  }
  await start()
  return {
    endpoint,
    region,
    domain,
    keys,
    folder,
    addBucket: async (name) => void (await mkdir(join(folder, name))),
    kill,
    start,
    async stop() {
      await kill()
      await rm(root, { recursive: true, force: true })
    },
  }
}

const answers = (endpoint: string): Promise<boolean> =>
  fetch(endpoint).then(
    ({ status }) => status === 403, // it does not know us
    () => false,
  )

async function freePort(address: string): Promise<number> {
  const server = createServer().listen(0, address)
  await once(server, 'listening')
  const bound = server.address()
  await once(server.close(), 'close')
  return typeof bound === 'object' && bound ? bound.port : 0
}
