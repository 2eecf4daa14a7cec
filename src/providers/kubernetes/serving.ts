import type { Program } from '#model/agent-protocol.ts'
import type { Serving } from '#model/rank.ts'
import { rankContainer } from './names.ts'
import type { Pod } from './wire.ts'

/** The ports of a container that serves, and the check whether it does; nothing for one that has no ports. */
export function servingFields({ ports, readiness }: Pick<Program, 'ports' | 'readiness'>) {
  const [port] = ports
  if (port === undefined) return {}
  return {
    ports: ports.map((containerPort) => ({ containerPort })),
    ...(readiness && {
      readinessProbe: {
        ...(readiness.path === undefined ? { tcpSocket: { port } } : { httpGet: { path: readiness.path, port } }),
        periodSeconds: wholeSeconds(readiness.periodMs),
        timeoutSeconds: wholeSeconds(readiness.timeoutMs),
        failureThreshold: readiness.failures,
      },
    }),
  }
}

/** Kubernetes counts in whole seconds, from 1 on. */
const wholeSeconds = (milliseconds: number): number => Math.max(1, Math.ceil(milliseconds / 1000))

/**
 * Where a pod serves, once it has an address. Who was told to end or to leave takes no more requests, before the program
 * itself knows of it. All pods of a Job are checked after one template, though only the first rank of a replica has to
 * pass: of the others a check that fails says nothing. That the node of one went away says something only where it was ready
 * before; of one that listens nowhere it is known when its pod is taken away, after 300 s as a rule.
 */
export function servingOf(rank: number, { metadata, spec, status }: Pod): Serving | null {
  const ports = spec.containers.find(({ name }) => name === rankContainer)?.ports ?? []
  const address = status?.podIP ?? ''
  if (ports.length === 0 || address === '') return null
  const condition = (type: string) => status?.conditions.find((one) => one.type === type)
  const is = (type: string) => condition(type)?.status === 'True'
  const isUnchecked = rank > 0 && condition('Ready')?.reason === 'ContainersNotReady'
  const host = address.includes(':') ? `[${address}]` : address
  return {
    ready: (is('Ready') || isUnchecked) && !is('DisruptionTarget') && metadata.deletionTimestamp == null,
    address,
    endpoints: ports.map(({ containerPort }) => `${host}:${containerPort}`),
  }
}
