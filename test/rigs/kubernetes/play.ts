import type { Program } from '#providers/conformance.ts'
import type { Asking, Client } from '#providers/kubernetes/client.ts'
import { labels } from '#providers/kubernetes/names.ts'

/** What ranks do, by token, as annotations on their pods that `kwok.yaml` knows. */
export type Played = Map<string, Record<string, string>>

/** What a kubelet would see of such programs. */
export function annotationsOf(programs: readonly Program[]): Record<string, string> {
  const exits = programs.map(({ until }) => (typeof until === 'number' ? String(until) : (signals[until] ?? '')))
  const isStubborn = programs.some(({ until }) => until === 'killed')
  return {
    ...(exits.some((exit) => exit !== '') && { 'rig.isobar.test/exits': exits.join(',') }),
    ...(isStubborn && { 'rig.isobar.test/stops-after': '1s' }),
  }
}

const signals: Record<string, string> = { SIGKILL: '137', SIGTERM: '143', SIGSEGV: '139' }

/** The same client, which writes on the pods of a gang what its ranks do. */
export function playing(client: Client, played: Played): Client {
  return {
    ...client,
    ask(asking) {
      const token = tokenOf(asking)
      const annotations = token === undefined ? undefined : played.get(token)
      return client.ask(annotations ? { ...asking, body: annotated(asking.body, annotations) } : asking)
    },
  }
}

type Body = { kind: string; metadata: { labels: Record<string, string>; annotations?: object } }
type JobBody = Body & { spec: { template: { metadata: object } } }

const isOf = <T extends Body>(body: unknown, kind: string): body is T =>
  typeof body === 'object' && body !== null && 'kind' in body && body.kind === kind

const tokenOf = ({ body }: Asking): string | undefined =>
  isOf<Body>(body, 'Job') || isOf<Body>(body, 'Pod') ? body.metadata.labels[labels.token] : undefined

function annotated(body: unknown, annotations: Record<string, string>): unknown {
  if (isOf<Body>(body, 'Pod'))
    return { ...body, metadata: { ...body.metadata, annotations: { ...body.metadata.annotations, ...annotations } } }
  if (!isOf<JobBody>(body, 'Job')) return body
  const { template } = body.spec
  return { ...body, spec: { ...body.spec, template: { ...template, metadata: { ...template.metadata, annotations } } } }
}
