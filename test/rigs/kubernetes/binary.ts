import { spawn, spawnSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createWriteStream, existsSync } from 'node:fs'
import { access, mkdir, readFile, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'

export const howToGetGo =
  'there is no Go on this machine, with which the Kubernetes control plane for tests is built: https://go.dev/doc/install'

/** The version of Go on this machine, or null where there is none. */
export function goHere(): string | null {
  const { status, stdout } = spawnSync('go', ['env', 'GOVERSION'], { encoding: 'utf8' })
  return status === 0 ? stdout.trim() : null
}

/**
 * The program with all components of Kubernetes in it, built from `plane/` by Go's module proxy. The first time takes
 * about ten minutes of a core and 2.5 GiB of memory; it is kept in the user's cache until the source or Go changes.
 */
export const planeBinary = (tell?: (line: string) => void): Promise<string> => binaryOf('plane', tell)

/** CoreDNS, built from `dns/` in the same way: a minute of a core. */
export const dnsBinary = (tell?: (line: string) => void): Promise<string> => binaryOf('dns', tell)

const kueue = 'sigs.k8s.io/kueue'

/** Kueue's controller, its own program in the version that `kueue/go.mod` names: three minutes of a core. */
export const kueueBinary = (tell?: (line: string) => void): Promise<string> =>
  binaryOf('kueue', tell, `${kueue}/cmd/kueue`)

/** Where the files of that version of Kueue are. */
export function kueueFiles(): string {
  const argv = ['mod', 'download', '-json', kueue]
  const { status, stdout, stderr } = spawnSync('go', argv, { cwd: sourceOf('kueue'), env: goEnv, encoding: 'utf8' })
  if (status !== 0) throw new Error(`the files of Kueue were not found: ${stderr}${stdout}`)
  return (JSON.parse(stdout) as { Dir: string }).Dir
}

const sourceOf = (name: string): string => join(import.meta.dirname, name)
const goEnv = { ...process.env, CGO_ENABLED: '0', GOTOOLCHAIN: 'local', GOFLAGS: '-mod=readonly' }

/** Builds what is in the folder of that name, or a `program` of others in the version that its go.mod names. */
async function binaryOf(name: string, tell: (line: string) => void = () => {}, program = '.'): Promise<string> {
  const go = goHere()
  if (go === null) throw new Error(howToGetGo)
  const source = sourceOf(name)
  const folder = join(cacheFolder(), await key(source, go))
  const path = join(folder, name)
  if (await isThere(path)) return path
  await mkdir(folder, { recursive: true })
  tell(`building ${name}, once, into ${folder}: this takes minutes`)
  const partial = `${path}.${randomUUID()}`
  try {
    await build(source, { program, out: partial, log: join(folder, 'build.log') })
    await rename(partial, path) // whoever builds it at the same time makes the same
  } finally {
    await rm(partial, { force: true })
  }
  return path
}

const cacheFolder = (): string =>
  join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'isobar', 'rigs', 'kubernetes')

/** Another source or another Go makes another program. */
async function key(source: string, go: string): Promise<string> {
  const hash = createHash('sha256').update(go)
  for (const file of ['go.mod', 'go.sum', 'main.go'].filter((one) => existsSync(join(source, one))))
    hash.update(await readFile(join(source, file)))
  return hash.digest('hex').slice(0, 16)
}

type Building = { program: string; out: string; log: string }

async function build(source: string, { program, out, log }: Building): Promise<void> {
  const flags = ['build', '-ldflags', `-s -w ${await stamps(source)}`, '-o', out, program]
  // It must not take the machine from the tests that run meanwhile.
  const child = spawn('nice', ['-n', '15', 'go', ...flags], {
    cwd: source,
    env: goEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const file = createWriteStream(log)
  child.stdout.pipe(file)
  child.stderr.pipe(file)
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`${source} could not be built: ${(await readFile(log, 'utf8')).slice(-2000)}`)
}

/** Without these a Kubernetes would call itself v0.0.0-master. */
async function stamps(source: string): Promise<string> {
  const version = /^\s*k8s\.io\/kubernetes (\S+)$/m.exec(await readFile(join(source, 'go.mod'), 'utf8'))?.[1]
  if (version === undefined) return ''
  const [major, minor] = version.slice(1).split('.')
  const values = { gitVersion: version, gitMajor: major, gitMinor: minor, gitTreeState: 'clean', gitCommit: '0' }
  return ['k8s.io/component-base/version', 'k8s.io/client-go/pkg/version']
    .flatMap((place) => Object.entries(values).map(([name, value]) => `-X ${place}.${name}=${value}`))
    .join(' ')
}

const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )
