import { z } from 'zod'

import { askProgram } from '#providers/ask-program.ts'

/** How a kubeconfig names a program that knows the credential: `aws eks get-token`, `gke-gcloud-auth-plugin`, `kubelogin`. */
export const ExecPlugin = z.object({
  apiVersion: z.string(),
  command: z.string(),
  args: z.array(z.string()).nullish(),
  env: z.array(z.object({ name: z.string(), value: z.string() })).nullish(),
  installHint: z.string().nullish(),
  interactiveMode: z.string().nullish(),
  provideClusterInfo: z.boolean().nullish(),
})
export type ExecPlugin = z.output<typeof ExecPlugin>

const ExecCredential = z.object({
  kind: z.literal('ExecCredential'),
  status: z.object({
    token: z.string().optional(),
    clientCertificateData: z.string().optional(),
    clientKeyData: z.string().optional(),
    expirationTimestamp: z.string().optional(),
  }),
})

/** What a call proves with who we are. `until` is when that ends, in milliseconds since the epoch; null when unknown. */
export type Credential = { token: string | null; cert: string | null; key: string | null; until: number | null }

/** Why we cannot say where the cluster is or who we are there, and what to do about it. */
export class IdentityProblem extends Error {
  override name = 'IdentityProblem'
}

/** What a program that wants it (`provideClusterInfo`) is told of its cluster (`client.authentication.k8s.io/v1`, `Cluster`). */
export type ClusterInfo = {
  server: string
  'tls-server-name'?: string | undefined
  'insecure-skip-tls-verify'?: true | undefined
  /** PEM in base64, whether the kubeconfig holds it or names a file. */
  'certificate-authority-data'?: string | undefined
  'proxy-url'?: string | undefined
  'disable-compression'?: true | undefined
  /** What the kubeconfig has for plug-ins beside its cluster. */
  config: unknown
}

/**
 * Asks the program.
 * @throws IdentityProblem with what it said, or with how to install it.
 */
export async function askPlugin(plugin: ExecPlugin, cluster: ClusterInfo, signal: AbortSignal): Promise<Credential> {
  const { apiVersion, command, args, installHint, provideClusterInfo } = plugin
  const info = {
    apiVersion,
    kind: 'ExecCredential',
    spec: { interactive: false, ...(provideClusterInfo && { cluster }) },
  }
  const extra = Object.fromEntries((plugin.env ?? []).map(({ name, value }) => [name, value]))
  const env = { ...extra, KUBERNETES_EXEC_INFO: JSON.stringify(info) }
  const answer = await askProgram([command, ...(args ?? [])], { env, signal })
  if ('missing' in answer) throw new IdentityProblem(absent(command, installHint ?? ''))
  if ('failed' in answer) throw new IdentityProblem(`${command} could not say who we are: ${answer.failed}`)
  const { status } = parse(answer.out, command)
  const until = status.expirationTimestamp === undefined ? Number.NaN : Date.parse(status.expirationTimestamp)
  return {
    token: status.token ?? null,
    cert: status.clientCertificateData ?? null,
    key: status.clientKeyData ?? null,
    until: Number.isNaN(until) ? null : until,
  }
}

function parse(stdout: string, command: string): z.output<typeof ExecCredential> {
  try {
    return ExecCredential.parse(JSON.parse(stdout))
  } catch (error) {
    // What it said may hold a token: it is not repeated.
    throw new IdentityProblem(`${command} answers with something else than an ExecCredential`, { cause: error })
  }
}

const absent = (command: string, hint: string): string =>
  `the kubeconfig asks ${command} who we are, which is not on this machine. ${hint}`.trim()
