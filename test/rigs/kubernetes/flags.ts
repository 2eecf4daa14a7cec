import { join } from 'node:path'

/** What a control plane consists of, in the order in which it starts. */
export const components = ['etcd', 'kube-apiserver', 'kube-controller-manager', 'kube-scheduler', 'kwok'] as const
export type Component = (typeof components)[number]

export type Ports = Record<Component | 'peer', number>

/** How a control plane differs from others. */
export type Kind = {
  /** With the scheduler's own gangs, which are alpha in 1.36. */
  gangs: boolean
  /** Thousands of nodes, which say that they live every few minutes only, and are given up after an hour. */
  crowded: boolean
  /** Who lets an object hold up the end of another needs a right to that one's finalizers. */
  strict: boolean
}

type Place = Kind & { folder: string; ports: Ports }

const gates = '--feature-gates=GenericWorkload=true,GangScheduling=true,WorkloadWithJob=true'

/** How a component is started on loopback, with its state in a folder. */
export const flagsOf = (name: Component, place: Place): string[] => flags[name](place)

const flags: Record<Component, (place: Place) => string[]> = {
  etcd({ folder, ports }) {
    const own = `http://127.0.0.1:${ports.etcd}`
    const peer = `http://127.0.0.1:${ports.peer}`
    return [
      `--data-dir=${join(folder, 'etcd')}`,
      `--listen-client-urls=${own}`,
      `--advertise-client-urls=${own}`,
      `--listen-peer-urls=${peer}`,
      `--initial-advertise-peer-urls=${peer}`,
      `--initial-cluster=default=${peer}`,
      '--unsafe-no-fsync', // what it holds is thrown away
      '--log-level=warn',
    ]
  },
  'kube-apiserver': ({ folder, ports, gangs, strict }) => [
    ...(strict ? ['--enable-admission-plugins=OwnerReferencesPermissionEnforcement'] : []),
    ...(gangs ? [gates, '--runtime-config=scheduling.k8s.io/v1alpha2=true'] : []),
    `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
    ...listening(ports['kube-apiserver'], join(folder, 'pki')),
    '--advertise-address=127.0.0.1',
    '--endpoint-reconciler-type=none', // it must not tell pods of a loopback address
    `--token-auth-file=${join(folder, 'pki', 'tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--anonymous-auth=false',
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${join(folder, 'pki', 'accounts.pub')}`,
    `--service-account-signing-key-file=${join(folder, 'pki', 'accounts.key')}`,
    '--service-cluster-ip-range=10.96.0.0/16',
    '--default-not-ready-toleration-seconds=2', // a node that is away is given up soon
    '--default-unreachable-toleration-seconds=2',
    '--profiling=false',
  ],
  'kube-controller-manager': ({ folder, ports, gangs, crowded }) => [
    ...(gangs ? [gates] : []),
    `--kubeconfig=${join(folder, 'controllers.kubeconfig')}`,
    ...listening(ports['kube-controller-manager'], join(folder, 'controllers')),
    '--leader-elect=false',
    `--service-account-private-key-file=${join(folder, 'pki', 'accounts.key')}`,
    `--root-ca-file=${join(folder, 'pki', 'apiserver.crt')}`,
    '--use-service-account-credentials=true', // else its controllers have no rights
    `--flex-volume-plugin-dir=${join(folder, 'flex')}`, // else it makes one in /usr
    '--kube-api-qps=1000',
    '--kube-api-burst=2000',
    `--node-monitor-grace-period=${crowded ? '3600s' : '20s'}`,
    // As Kubernetes itself tests clusters of that size: else each pod that comes has its whole Service written anew.
    ...(crowded ? ['--endpoint-updates-batch-period=500ms', '--endpointslice-updates-batch-period=500ms'] : []),
    '--profiling=false',
  ],
  'kube-scheduler': ({ folder, ports, gangs }) => [
    ...(gangs ? [gates] : []),
    `--kubeconfig=${join(folder, 'scheduler.kubeconfig')}`,
    ...listening(ports['kube-scheduler'], join(folder, 'scheduler')),
    '--leader-elect=false',
    '--kube-api-qps=1000',
    '--kube-api-burst=2000',
  ],
  kwok: ({ folder, ports, crowded }) => [
    `--kubeconfig=${join(folder, 'kwok.kubeconfig')}`,
    `--config=${join(import.meta.dirname, 'kwok.yaml')}`,
    '--manage-nodes-with-annotation-selector=rig.isobar.test/node=played',
    '--node-ip=127.0.0.1',
    `--server-address=127.0.0.1:${ports.kwok}`,
    `--node-lease-duration-seconds=${crowded ? 1200 : 10}`,
    '--cidr=10.244.0.0/16',
  ],
}

/** Each makes a certificate for itself in a folder of its own. */
const listening = (port: number, certificates: string): string[] => [
  '--bind-address=127.0.0.1',
  `--secure-port=${port}`,
  `--cert-dir=${certificates}`,
]
