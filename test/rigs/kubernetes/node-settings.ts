import { join } from 'node:path'

import { images } from './images.ts'

export type NodePlace = { folder: string; address: string; bridge: string; cgroup: string; port: number }

/** What the programs of a node read, by the name of the file in its folder. */
export const nodeSettings = (place: NodePlace): Record<string, string> => ({
  'containerd.toml': containerd(place),
  'networks/rig.conflist': JSON.stringify(network(place)),
  'kubelet.yaml': JSON.stringify(kubelet(place)), // JSON is YAML
})

export const socketOf = (folder: string): string => join(folder, 'containerd.sock')

/** No AppArmor and no scores of the out-of-memory killer: a machine that is a container itself may not set them. */
const containerd = ({ folder }: NodePlace): string => `version = 2
root = "${folder}/containerd"
state = "/run/containerd-state"
disabled_plugins = ["io.containerd.internal.v1.opt"]
[grpc]
  address = "${socketOf(folder)}"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "${images.pause}"
  disable_apparmor = true
  disable_hugetlb_controller = true
  restrict_oom_score_adj = true
  stream_server_address = "127.0.0.1"
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${folder}/networks"
`

/** Pods of the bridge reach each other and this machine, which has an address on it; nothing is led further. */
const network = ({ folder, bridge, address }: NodePlace) => ({
  cniVersion: '0.4.0',
  name: 'rig',
  plugins: [
    {
      type: 'bridge',
      bridge,
      isGateway: false,
      ipMasq: false,
      ipam: {
        type: 'host-local',
        dataDir: join(folder, 'addresses'),
        ranges: [[{ subnet: `${address.replace(/\.\d+$/, '')}.0/24`, rangeStart: address.replace(/\.\d+$/, '.10') }]],
      },
    },
  ],
})

const kubelet = ({ folder, address, cgroup, port }: NodePlace) => ({
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  address: '127.0.0.1',
  port,
  readOnlyPort: 0,
  healthzPort: 0,
  // Whoever may speak to loopback on this machine may end all of it anyway.
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  containerRuntimeEndpoint: `unix://${socketOf(folder)}`,
  cgroupDriver: 'cgroupfs',
  cgroupRoot: `/${cgroup}`,
  failCgroupV1: false,
  failSwapOn: false,
  clusterDomain: 'cluster.local',
  clusterDNS: [address],
  resolvConf: '',
  // A disk that is nearly full is not what is tried here.
  evictionHard: { 'memory.available': '50Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  volumeStatsAggPeriod: '2s', // how soon it knows how much a pod has written
  containerLogMaxSize: '256Ki',
  containerLogMaxFiles: 2,
  containerLogMonitorInterval: '3s',
  makeIPTablesUtilChains: false,
  podLogsDir: join(folder, 'logs'),
  volumePluginDir: join(folder, 'plugins'),
  nodeStatusUpdateFrequency: '2s',
  nodeLeaseDurationSeconds: 10,
})
