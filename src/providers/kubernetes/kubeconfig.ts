import { readFile } from 'node:fs/promises'
import { homedir } from 'node:os'
import { delimiter, dirname, isAbsolute, join } from 'node:path'

import { LineCounter, parseDocument } from 'yaml'
import { z } from 'zod'

import { didYouMean } from '#kit/did-you-mean.ts'
import { askPlugin, type ClusterInfo, type Credential, ExecPlugin, IdentityProblem } from './exec-credential.ts'
import { type Proxy, proxyOf, readProxy } from './proxy.ts'

/** Where a cluster's API server is, and who we are there. */
export type Connection = {
  server: string
  /** The context's name; none for the cluster in whose pod we run. */
  context?: string | undefined
  /** Who signs its certificate, as PEM; the system's authorities when absent. */
  ca: string | undefined
  serverName: string | undefined
  insecure: boolean
  proxy?: Proxy | undefined
  /** The namespace of the context. */
  namespace: string
  /** Headers by which the credential acts as somebody else; none for itself. */
  acting?: Readonly<Record<string, string | string[]>>
  credential(signal: AbortSignal): Promise<Credential>
}

const text = z.string().optional()
/** What kubectl takes as absent where it is null or empty. */
const mayBeEmpty = z
  .string()
  .nullish()
  .transform((said) => (said ? said : undefined))
/** A list that may be absent or null, as kubectl writes it. */
const list = <T extends z.ZodType>(item: T) =>
  z
    .array(item)
    .nullish()
    .transform((items) => items ?? [])
const Cluster = z.object({
  server: z.string(),
  'certificate-authority': text,
  'certificate-authority-data': text,
  'insecure-skip-tls-verify': z.boolean().optional(),
  'tls-server-name': text,
  'proxy-url': mayBeEmpty,
  'disable-compression': z.boolean().nullish(),
  extensions: list(z.object({ name: z.string(), extension: z.unknown() })),
})
const User = z.object({
  token: text,
  username: mayBeEmpty,
  'auth-provider': z.object({ name: text }).nullish(),
  as: mayBeEmpty,
  'as-uid': mayBeEmpty,
  'as-groups': z.array(z.string()).nullish(),
  'as-user-extra': z.record(z.string(), z.array(z.string())).nullish(),
  tokenFile: text,
  'client-certificate': text,
  'client-certificate-data': text,
  'client-key': text,
  'client-key-data': text,
  exec: ExecPlugin.optional(),
})
const Context = z.object({ cluster: z.string(), user: z.string(), namespace: text })

const Kubeconfig = z.object({
  'current-context': text.nullable(),
  clusters: list(z.object({ name: z.string(), cluster: Cluster })),
  users: list(z.object({ name: z.string(), user: User })),
  contexts: list(z.object({ name: z.string(), context: Context })),
})

type Kubeconfig = z.output<typeof Kubeconfig>

export type Asked = {
  /** Absent for what kubectl would use. */ path?: string | undefined
  context?: string | undefined
}

/**
 * Reads how to reach a cluster as kubectl would: from a file, or from those that KUBECONFIG names, of which the first that
 * names a thing counts. Credentials are read when they are asked for, so that a file that is renewed is seen.
 * @throws IdentityProblem with the fix.
 */
export async function readKubeconfig({ path, context: asked }: Asked): Promise<Connection> {
  const files = path === undefined ? defaultPaths() : [path]
  const parts = await readAll(files, path !== undefined)
  const found = <T>(pick: (config: Kubeconfig) => T | undefined) => {
    for (const { file, config } of parts) {
      const value = pick(config)
      if (value !== undefined) return { folder: dirname(file), value }
    }
    return undefined
  }
  const name = asked ?? found((config) => config['current-context'] ?? undefined)?.value
  const contexts = parts.flatMap(({ config }) => config.contexts)
  const named = contexts.find((one) => one.name === name)?.context
  if (!named) throw noContext(name, contexts, files)
  const cluster = found(({ clusters }) => clusters.find((one) => one.name === named.cluster)?.cluster)
  const user = found(({ users }) => users.find((one) => one.name === named.user)?.user)
  if (!cluster)
    throw new IdentityProblem(
      `context ${name} is of the cluster ${named.cluster}, which ${files.join(' and ')} does not describe`,
    )
  const server = cluster.value.server.replace(/\/$/, '')
  const unheeded = unheededIn(user?.value)
  if (unheeded !== undefined) throw new IdentityProblem(`context ${name} ${unheeded}`)
  const proxyUrl = cluster.value['proxy-url']
  const ca = await pem(
    cluster.folder,
    cluster.value['certificate-authority-data'],
    cluster.value['certificate-authority'],
  )
  return {
    server,
    context: name,
    ca,
    serverName: cluster.value['tls-server-name'],
    insecure: cluster.value['insecure-skip-tls-verify'] ?? false,
    ...withProxy(
      proxyUrl === undefined ? proxyOf(server, process.env) : readProxy(proxyUrl, `the proxy-url of context ${name}`),
    ),
    namespace: named.namespace ?? 'default',
    ...actingIn(user?.value),
    credential: (signal) => credentialOf(user, infoOf(cluster.value, ca), signal),
  }
}

/** What kubectl would heed and we do not, with what helps: nobody is to be somebody else unawares. */
function unheededIn(user?: z.output<typeof User>): string | undefined {
  if (user?.exec?.interactiveMode === 'Always')
    return `signs in by ${user.exec.command} with somebody at a keyboard, who is not there; use a plug-in that needs nobody, or a token`
  const { as, 'as-uid': uid, 'as-groups': groups, 'as-user-extra': extra } = user ?? {}
  if (as === undefined && (uid ?? groups?.[0] ?? Object.keys(extra ?? {})[0]) !== undefined)
    return 'acts in groups, or by other words, of nobody; name whom it acts as (as), as kubectl wants too'
  const old = user?.['auth-provider']
  if (!old && user?.username === undefined) return undefined
  const how = old ? `auth-provider ${old.name ?? ''}`.trim() : 'a name and a password'
  return `signs in by ${how}, which Kubernetes does not know any more; use a plug-in (exec) such as kubelogin, or a token`
}

const withProxy = (proxy: Proxy | undefined): Pick<Connection, 'proxy'> => (proxy ? { proxy } : {})

const forPlugins = 'client.authentication.k8s.io/exec'

/** As client-go tells it: what the kubeconfig says, with nothing that is only in the environment. */
function infoOf(cluster: z.output<typeof Cluster>, ca: string | undefined): ClusterInfo {
  const extension = cluster.extensions.find(({ name }) => name === forPlugins)?.extension
  return {
    server: cluster.server,
    ...(cluster['tls-server-name'] && { 'tls-server-name': cluster['tls-server-name'] }),
    ...(cluster['insecure-skip-tls-verify'] && { 'insecure-skip-tls-verify': true }),
    ...(ca !== undefined && { 'certificate-authority-data': Buffer.from(ca).toString('base64') }),
    ...(cluster['proxy-url'] !== undefined && { 'proxy-url': cluster['proxy-url'] }),
    ...(cluster['disable-compression'] && { 'disable-compression': true }),
    config: extension ?? null,
  }
}

/** As whom a credential acts (https://kubernetes.io/docs/reference/access-authn-authz/authentication/#user-impersonation). */
function actingIn(user?: z.output<typeof User>): Pick<Connection, 'acting'> {
  if (user?.as === undefined) return {}
  const { as, 'as-uid': uid, 'as-groups': groups, 'as-user-extra': extra } = user
  const acting = {
    'impersonate-user': as,
    ...(uid !== undefined && { 'impersonate-uid': uid }),
    ...(groups && { 'impersonate-group': groups }),
  }
  const more = Object.entries(extra ?? {}).map(([key, values]) => [
    `impersonate-extra-${encodeURIComponent(key)}`,
    values,
  ])
  return { acting: { ...acting, ...Object.fromEntries(more) } }
}

/** Those of the files that are there, in their order. */
async function readAll(files: string[], named: boolean): Promise<{ file: string; config: Kubeconfig }[]> {
  const read = await Promise.all(files.map(async (file) => ({ file, config: await readOne(file, named) })))
  return read.flatMap(({ file, config }) => (config ? [{ file, config }] : []))
}

const defaultPaths = (): string[] => {
  const named = (process.env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '')
  return named.length > 0 ? named : [join(homedir(), '.kube', 'config')]
}

/** A file that somebody named must be there; of those that are looked for by themselves, any may be missing. */
async function readOne(file: string, named: boolean): Promise<Kubeconfig | null> {
  const content = await readFile(file, 'utf8').catch((error: unknown) => {
    if (!named && (error as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new IdentityProblem(`the kubeconfig ${file} cannot be read: ${(error as Error).message}`, { cause: error })
  })
  if (content === null) return null
  const read = Kubeconfig.safeParse(readYaml(content, file))
  if (read.success) return read.data
  throw new IdentityProblem(`${file} is no kubeconfig: ${z.prettifyError(read.error)}`, { cause: read.error })
}

/** Lines of a kubeconfig hold passwords: of one that is wrong only the place is told. */
function readYaml(content: string, file: string): unknown {
  const lineCounter = new LineCounter()
  const document = parseDocument(content, { lineCounter, prettyErrors: false, logLevel: 'silent' })
  const [wrong] = document.errors
  if (wrong) {
    const { line, col } = lineCounter.linePos(wrong.pos[0])
    throw new IdentityProblem(`${file}:${line}:${col} is no YAML: ${wrong.code}`)
  }
  try {
    return document.toJS({ maxAliasCount: 0 })
  } catch (error) {
    throw new IdentityProblem(`${file} is no kubeconfig: ${(error as Error).message}`, { cause: error })
  }
}

function noContext(name: string | undefined, contexts: { name: string }[], files: string[]): IdentityProblem {
  const names = contexts.map((one) => one.name)
  const where = files.join(' and ')
  if (names.length === 0) return new IdentityProblem(`${where} names no context; point KUBECONFIG to a file that does`)
  if (name === undefined) return new IdentityProblem(`${where} has no current context; name one of ${names.join(', ')}`)
  const near = didYouMean(name, names)
  const fix = near ? `did you mean ${near}?` : `there are ${names.join(', ')}`
  return new IdentityProblem(`${where} has no context ${name}; ${fix}`)
}

/** A certificate or key: written down, or in a file beside the kubeconfig. */
async function pem(folder: string, data: string | undefined, file: string | undefined): Promise<string | undefined> {
  if (data !== undefined && data !== '') return Buffer.from(data, 'base64').toString()
  return file === undefined || file === '' ? undefined : readBeside(folder, file)
}

const readBeside = (folder: string, file: string): Promise<string> =>
  readFile(isAbsolute(file) ? file : join(folder, file), 'utf8').catch((error: unknown) => {
    throw new IdentityProblem(`a file that the kubeconfig names cannot be read: ${(error as Error).message}`, {
      cause: error,
    })
  })

type FoundUser = { folder: string; value: z.output<typeof User> } | undefined

/** A token that is in a file is renewed there, at the latest every few minutes where a kubelet does it. */
const fileHoldsMs = 60_000

async function credentialOf(found: FoundUser, cluster: ClusterInfo, signal: AbortSignal): Promise<Credential> {
  if (!found) return { token: null, cert: null, key: null, until: null }
  const { folder, value: user } = found
  if (user.exec) {
    // A name without a folder is looked for where programs are; else it is beside the kubeconfig.
    const { command } = user.exec
    const isBeside = command.includes('/') && !isAbsolute(command)
    return askPlugin({ ...user.exec, command: isBeside ? join(folder, command) : command }, cluster, signal)
  }
  const cert = (await pem(folder, user['client-certificate-data'], user['client-certificate'])) ?? null
  const key = (await pem(folder, user['client-key-data'], user['client-key'])) ?? null
  if (user.tokenFile === undefined) return { token: user.token ?? null, cert, key, until: null }
  return { token: (await readBeside(folder, user.tokenFile)).trim(), cert, key, until: Date.now() + fileHoldsMs }
}

const accountFolder = '/var/run/secrets/kubernetes.io/serviceaccount'

/** The cluster in whose pod this process runs, by the account of that pod. */
export async function inCluster(folder = accountFolder, environment = process.env): Promise<Connection> {
  const host = environment['KUBERNETES_SERVICE_HOST']
  if (host === undefined)
    throw new IdentityProblem('this process runs in no pod of a cluster; name a context of a kubeconfig instead')
  const server = `https://${host.includes(':') ? `[${host}]` : host}:${environment['KUBERNETES_SERVICE_PORT'] ?? '443'}`
  return {
    server,
    ...withProxy(proxyOf(server, environment)),
    ca: await readBeside(folder, 'ca.crt'),
    serverName: undefined,
    insecure: false,
    namespace: (await readBeside(folder, 'namespace')).trim(),
    async credential() {
      const token = (await readBeside(folder, 'token')).trim()
      return { token, cert: null, key: null, until: Date.now() + fileHoldsMs }
    },
  }
}
