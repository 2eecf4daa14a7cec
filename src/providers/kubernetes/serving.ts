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
 * itself knows of it.
 */
export function servingOf({ metadata, spec, status }: Pod): Serving | null {
  const ports = spec.containers.find(({ name }) => name === rankContainer)?.ports ?? []
  const address = status?.podIP ?? ''
  if (ports.length === 0 || address === '') return null
  const is = (type: string) => status?.conditions.some((one) => one.type === type && one.status === 'True') ?? false
  const host = address.includes(':') ? `[${address}]` : address
  return {
    ready: is('Ready') && !is('DisruptionTarget') && metadata.deletionTimestamp == null,
    address,
    endpoints: ports.map(({ containerPort }) => `${host}:${containerPort}`),
  }
}
