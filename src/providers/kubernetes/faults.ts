import { z } from 'zod'

import { fail, failFor, type Fault } from '#model/fault.ts'
import { ProxyProblem } from './tunnel.ts'

/** How the API server answers when it does not do what it is asked (`meta/v1.Status`). */
const Status = z.object({
  kind: z.literal('Status'),
  message: z.string().default(''),
  reason: z.string().default(''),
  details: z.object({ retryAfterSeconds: z.number().optional() }).optional(),
})

export type Refusal = { status: number; reason: string; message: string; fault: Fault }

/** What an answer means that is no success. `retryAfter` is the header of that name, in seconds. */
export function refusalOf(status: number, text: string, retryAfter?: string): Refusal {
  const { message = text.slice(0, 500), reason = '', details } = statusOf(text) ?? {}
  const waitMs = Number(retryAfter ?? details?.retryAfterSeconds) * 1000
  const [kind, retry] = kindOf(status, message)
  const detail = `${status} ${reason}: ${message}`
  const mayWait = retry === 'later' && waitMs > 0
  return { status, reason, message, fault: (mayWait ? failFor(kind, waitMs, detail) : fail(kind, retry, detail)).fault }
}

function statusOf(text: string): z.output<typeof Status> | undefined {
  try {
    return Status.safeParse(JSON.parse(text)).data
  } catch {
    return undefined // a proxy on the way speaks for itself
  }
}

function kindOf(status: number, message: string): [Fault['kind'], Fault['retry']] {
  if (status === 401) return ['denied', 'elsewhere']
  // A ResourceQuota refuses as if it were a question of rights.
  if (status === 403) return message.includes('exceeded quota') ? ['quota', 'elsewhere'] : ['denied', 'elsewhere']
  if (status === 409) return ['conflict', 'later']
  if (status === 429) return ['throttled', 'later']
  // A webhook of the cluster that does not answer keeps out what it was to judge; the API server itself is there.
  if (status === 500 && message.includes('failed calling webhook')) return ['throttled', 'later']
  if (status >= 500) return ['unreachable', 'later']
  return ['invalid', 'elsewhere']
}

const trust = 'name its authority in the kubeconfig (certificate-authority-data)'
const certificates: Record<string, string> = {
  CERT_HAS_EXPIRED: "its certificate has expired: renew the cluster's certificates",
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: compare the clocks of this machine and of the cluster',
  SELF_SIGNED_CERT_IN_CHAIN: `nobody whom we trust signed its certificate: ${trust}`,
  DEPTH_ZERO_SELF_SIGNED_CERT: `nobody whom we trust signed its certificate: ${trust}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `nobody whom we trust signed its certificate: ${trust}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `nobody whom we trust signed its certificate: ${trust}`,
  ERR_TLS_CERT_ALTNAME_INVALID: 'its certificate is for another name: set tls-server-name in the kubeconfig',
}

/** It has no such kind of objects, or does not let us see them. */
export const isNone = ({ kind, detail }: Fault): boolean => kind === 'denied' || detail.startsWith('404 ')

/** A call that got no answer. What it was to do may have been done. */
export function silenceOf(error: unknown, server: string): Fault {
  if (error instanceof ProxyProblem)
    return fail(error.kind, error.retry, `${server} is not reached: ${error.message}`).fault
  const code = codeOf(error)
  const why = certificates[code] ?? (code === '' ? String(error) : code)
  return fail('unreachable', 'later', `${server} does not answer: ${why}`).fault
}

function codeOf(error: unknown): string {
  if (!(error instanceof Error)) return ''
  if ('code' in error && typeof error.code === 'string') return error.code
  return codeOf(error.cause)
}
