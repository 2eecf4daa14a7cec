import type { CommandSpec } from '#cli/call.ts'

export const sites: readonly CommandSpec[] = [
  {
    name: 'site add',
    arguments: '<provider>',
    group: 'Set up',
    summary: 'look at a cluster, and join it as a site',
    details: [
      'Nothing is joined before rights, versions and names are right and all of it is known. Where rights are missing, the manifest that grants them, and nothing else, is on standard output.',
      'It is the control plane that reaches the cluster: files are those of its machine. Credentials stay in them. What is said of kubernetes holds for coreweave.',
    ].join('\n\n'),
    options: [
      { flags: '--dry-run', description: 'show what is found, and join nothing' },
      { flags: '--name <name>', description: 'what the site is called; by default as the context or the partition' },
      { flags: '--jurisdiction <codes>', description: 'its country and groups of countries, such as DE,EU' },
      { flags: '--price <price>', description: 'of one node for one hour, such as $20/h' },
      { flags: '--prices <file>', description: 'kubernetes: prices by the names of shapes, in YAML' },
      { flags: '--tier <tier>', description: 'committed, reserved, spot or on-demand' },
      { flags: '--patience <duration>', description: 'how long it may not answer before what runs there is lost' },
      {
        flags: '--up-within <duration>',
        description: 'how long nodes may take to come up before another site is tried',
      },
      {
        flags: '--context <name>',
        description: 'kubernetes: the context of the kubeconfig; the current one by default',
      },
      { flags: '--kubeconfig <file>', description: 'kubernetes: by default what kubectl would read' },
      { flags: '--in-cluster', description: 'kubernetes: the cluster in whose pod the control plane runs' },
      {
        flags: '--namespace <name>',
        description: 'kubernetes: where objects are made; by default that of the context',
      },
      { flags: '--image <image>', description: 'kubernetes: for specs that name none' },
      {
        flags: '--checkpoints <place>',
        description:
          'where checkpoints go: an object store, such as s3://bucket/prefix; kubernetes: or a PersistentVolumeClaim that all pods can write; slurm: or a folder that nodes share',
      },
      {
        flags: '--checkpoints-endpoint <url>',
        description: 'where that store answers; by default Amazon S3, and on coreweave its AI Object Storage',
      },
      { flags: '--checkpoints-region <region>', description: 'the region of its bucket' },
      { flags: '--checkpoints-secret <name>', description: 'the secret of each project that holds its keys' },
      { flags: '--checkpoints-addressing <way>', description: 'virtual, with the bucket in the host, or path' },
      {
        flags: '--checkpoints-image <image>',
        description: 'kubernetes: an image with Node 24 that carries checkpoints there',
      },
      { flags: '--service-account <name>', description: 'kubernetes: the account that pods run as' },
      {
        flags: '--run-as-user <number>',
        description: 'kubernetes: the user that programs run as; then pods are as the standard restricted wants them',
      },
      {
        flags: '--endpoints <way>',
        description: 'kubernetes: how gateways reach services: direct, or forwarded through the API server',
      },
      { flags: '--queue <name>', description: 'kubernetes: the LocalQueue of Kueue in which its work stands in line' },
      { flags: '--queue-priority <name>', description: 'kubernetes: the WorkloadPriorityClass of its work there' },
      {
        flags: '--queue-topology <label>',
        description: 'kubernetes: a label by which Kueue keeps a gang together where it can',
      },
      {
        flags: '--topology <label>',
        description:
          'kubernetes: a label that says where a node stands, beside the known ones, such as block=example.com/rack; without levels these alone count, the tightest first',
        repeat: true,
      },
      { flags: '--partition <name>', description: 'slurm: where jobs go' },
      { flags: '--directory <folder>', description: 'slurm: a folder that nodes and this machine share, if any' },
      { flags: '--rest <url>', description: "slurm: the address of slurmrestd; without it Slurm's commands are used" },
      { flags: '--ssh <host>', description: "slurm: a host where Slurm's commands are, as ssh knows it" },
      { flags: '--ssh-config <file>', description: "slurm: a configuration of ssh, where it is not the user's own" },
      { flags: '--reservation <name>', description: 'slurm: the reservation that jobs ask for' },
      {
        flags: '--licences <licence>',
        description: 'slurm: a licence that each job holds, such as dataset:2',
        repeat: true,
      },
      { flags: '--exclusive', description: 'slurm: a gang has its nodes alone' },
      { flags: '--topology-file <file>', description: 'slurm: a topology.conf, which slurmrestd does not tell' },
      { flags: '--token-file <file>', description: 'slurm: where the token for slurmrestd is' },
      {
        flags: '--token-lifespan <duration>',
        description: 'slurm: renew the token by `scontrol token`, for so long each time',
      },
      {
        flags: '--token-command <words>',
        description: 'slurm: renew it by this program instead; words are parted by spaces, and no shell reads them',
      },
      { flags: '--account <name>', description: 'slurm: the account that jobs are charged to' },
      { flags: '--qos <name>', description: 'slurm: the quality of service that jobs ask for' },
      { flags: '--user <name>', description: 'slurm: whose jobs they are' },
      { flags: '--conf <file>', description: "slurm: the cluster's slurm.conf, where it is not the machine's own" },
      { flags: '--accelerator-memory <size>', description: 'slurm: memory of one accelerator, such as 141GB' },
    ],
    examples: [
      'isobar site add kubernetes --context prod --namespace isobar --dry-run',
      "isobar site add kubernetes --context prod --jurisdiction DE,EU --price '$20/h'",
      'isobar site add kubernetes --context prod --dry-run | kubectl apply -f -',
      'isobar site add coreweave --context prod --namespace isobar --dry-run',
      "isobar site add slurm --partition gpu --directory /shared/isobar --jurisdiction SE,EU --price '$12/h'",
    ],
    next: 'isobar sites',
    data: true,
    action: async () => (await import('#cli/commands/site.ts')).add,
  },
  {
    name: 'site leave',
    arguments: '<site>',
    group: 'Set up',
    summary: 'take no new work to a site that was joined, remove all that is ours there, and forget it',
    details:
      'It goes on when the command is ended, and when it is given again. What others hold up is told, and left to them. ' +
      'A site that answers no more is left with --gone, by whoever knows that it is no more: if anything of ours runs there after all, it goes on unseen beside its next attempt.',
    options: [
      { flags: '--drain', description: 'wait until what runs there has ended' },
      { flags: '--stop', description: 'end what runs there in good order; it starts again elsewhere' },
      { flags: '--gone', description: 'the site is gone for good: ask it no more; what ran there starts elsewhere' },
      { flags: '--begin', description: 'only begin; it goes on by itself' },
    ],
    examples: [
      'isobar site leave kubernetes/prod --drain',
      'isobar site leave slurm/gpu --stop',
      'isobar site leave kubernetes/burnt-down --gone',
    ],
    next: 'isobar sites',
    data: true,
    action: async () => (await import('#cli/commands/site.ts')).leave,
  },
]
