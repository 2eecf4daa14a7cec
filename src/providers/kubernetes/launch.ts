import type { Program } from '#model/agent-protocol.ts'
import { fail, type Outcome, succeed } from '#model/fault.ts'
import type { CredentialedOrder } from '#model/order.ts'
import type { Handle } from '#providers/provider.ts'
import type { Asking, Client } from './client.ts'
import { type GangSite, jobOf, secretOf, serviceOf } from './gang.ts'
import { isToken, labels, paths } from './names.ts'
import { Job } from './wire.ts'

/**
 * Makes the objects of a gang: its Job, suspended, then what belongs to that, and only then it is let go. Whoever dies on
 * the way leaves something that starts nothing; the next call with the same token finds it by its name and goes on.
 */
export async function launchGang(
  { client, site }: { client: Client; site: GangSite },
  order: CredentialedOrder,
  signal: AbortSignal,
): Promise<Outcome<Handle>> {
  const checked = checkOrder(order, site)
  if (!checked.ok) return checked
  const { image, programs } = checked.value
  const { namespace } = site
  const ask = (asking: Omit<Asking, 'signal'>) => client.ask({ ...asking, signal })
  const made = await ask({ method: 'POST', path: paths.jobs(namespace), body: jobOf(site, order, image) })
  const name = jobOf(site, order, image).metadata.name
  const known =
    made.ok || made.refusal?.reason !== 'AlreadyExists' ? made : await ask({ path: paths.jobs(namespace, name) })
  if (!known.ok) return { ok: false, fault: known.fault }
  const { metadata, spec } = Job.parse(known.body)
  if (metadata.labels[labels.token] !== order.token || metadata.labels[labels.house] !== site.house)
    return fail('conflict', 'elsewhere', `namespace ${namespace} has a Job ${name} of somebody else`)
  const handle = { site: order.site, token: order.token }
  if (metadata.deletionTimestamp != null) return fail('conflict', 'never', `order ${order.token} was retired already`)
  if (spec.suspend !== true) return succeed(handle)
  for (const [path, body] of [
    [paths.secrets(namespace), secretOf(site, { ...order, programs }, metadata)],
    [paths.services(namespace), serviceOf(site, order, metadata)],
  ] as const) {
    const answer = await ask({ method: 'POST', path, body })
    if (!answer.ok && answer.refusal?.reason !== 'AlreadyExists') return { ok: false, fault: answer.fault }
  }
  // Its uid keeps this from letting go another Job of that name.
  const body = { metadata: { uid: metadata.uid }, spec: { suspend: false } }
  const released = await ask({ method: 'PATCH', path: paths.jobs(namespace, name), body })
  if (released.ok) return succeed(handle)
  const isGone = released.refusal?.status === 404 || released.refusal?.status === 409
  return isGone
    ? fail('conflict', 'later', `the Job ${name} went while it was made`)
    : { ok: false, fault: released.fault }
}

type Checked = { image: string; programs: readonly Program[] }

/** What this provider cannot do yet it says before it makes anything. */
function checkOrder(order: CredentialedOrder, { image: ownImage }: GangSite): Outcome<Checked> {
  const { programs = [], ranks } = order
  const image = order.image ?? ownImage
  if (!isToken(order.token)) return no('the token is no name for an object of Kubernetes')
  if (image === undefined)
    return no('it runs container images and none is named; add `image:` to the spec, or to the site in sites.yaml')
  if (programs.length !== ranks.length) return no('the order does not say what its ranks do')
  if (ranks.some(({ part }) => part)) return no('it gives whole accelerators only')
  if (ranks.some(({ shape }) => !isSame(shape, ranks[0]?.shape)))
    return no('all ranks of a gang must ask for the same there')
  if (programs.some(({ ports }) => ports.length > 0)) return no('it runs no services')
  if (programs.some(({ slots }) => slots > 0)) return no('it runs no arrays')
  return succeed({ image, programs })
}

const no = (detail: string) => fail('invalid', 'elsewhere', detail)

const isSame = (one: object, other: object | undefined): boolean => JSON.stringify(one) === JSON.stringify(other)
