import { z } from 'zod'

import type { GivenFaults } from './faults.ts'

export const ProfileName = z.enum(['aws', 'azure', 'gcp', 'oci', 'coreweave', 'kubernetes', 'slurm', 'local'])
export type ProfileName = z.infer<typeof ProfileName>

/*
 * What is known of real providers, as faults. A figure stands with what it comes from and when that was read or measured.
 * Where nobody publishes one it is `ours`: chosen so that a run of an hour meets the quirk, not as a fact. Times are those
 * of the control plane; images and models load longer.
 */

const seconds = (least: number, most: number): [number, number] => [least * 1_000, most * 1_000]

const aws: GivenFaults = {
  machines: true,
  callMs: [100, 800], // ours
  bootMs: seconds(25, 120), // ours; dstack measured 50 instances up in 90 to 240 s (dstack#3551, 2026)
  teardownMs: seconds(20, 90), // ours: `shutting-down` lasts that long
  // What was just made may not be found at first; one is told to ask again from some seconds up to five minutes (EC2
  // developer guide, "Eventual consistency", read 2026-11). The shares are ours.
  hiddenMs: seconds(0, 30),
  // A terminated instance stays visible for a short while, "usually less than an hour" (EC2 user guide, 2026-11).
  ghostMs: seconds(0, 600),
  lagMs: seconds(1, 20),
  // Token buckets by kind of call: RunInstances 5 and 2 a second, other mutations 50 and 5, listings 100 and 20 (EC2
  // developer guide, "Request throttling", 2026-11).
  limits: {
    launch: { perSecond: 2, burst: 5 },
    retire: { perSecond: 5, burst: 50 },
    list: { perSecond: 20, burst: 100 },
    get: { perSecond: 20, burst: 100 },
  },
  noticeMs: seconds(120, 120), // spot interruption notice (EC2 user guide, 2026-11)
  told: 0.95, // ours: the notice is best effort
  preemptionsPerHour: 0.19, // 4.6 losses a zone and day of 8 V100 (traces of SkyPilot, 45 days, read 2026-11)
  rates: {
    hidden: 0.2,
    ghost: 0.9,
    'old-view': 0.02,
    'page-lost': 0.002,
    'no-capacity': 0.1, // ours: InsufficientInstanceCapacity comes only with the launch
    'timed-out': 0.005,
    'false-offers': 1, // prices and types are listed; whether there is capacity is not
  },
}

const azure: GivenFaults = {
  machines: true,
  callMs: [200, 1_500], // ours: most calls are answered with "accepted", and asked about again
  bootMs: seconds(60, 240), // ours
  slowMs: seconds(300, 3_600),
  // Deletions take minutes, five and more for large sizes (kubernetes/autoscaler#3141, 2020), at times above an hour
  // (kubernetes/autoscaler#4051, 2021), and count against the quota meanwhile (gardener/machine-controller-manager#201).
  teardownMs: seconds(60, 300),
  // Buckets a subscription and region: 200 writes and 10 a second, 200 deletes and 10, 250 reads and 25 (Azure Resource
  // Manager, "Request limits and throttling", 2026-11).
  limits: {
    launch: { perSecond: 10, burst: 200 },
    retire: { perSecond: 10, burst: 200 },
    list: { perSecond: 25, burst: 250 },
    get: { perSecond: 25, burst: 250 },
  },
  retryAfterMs: seconds(1, 17), // a 429 carries Retry-After (same page); the seconds are ours
  noticeMs: seconds(30, 30), // Preempt is scheduled at least 30 s ahead (Azure scheduled events, 2026-11)
  told: 0.9, // ours
  preemptionsPerHour: 0.1, // ours
  rates: {
    'no-capacity': 0.1, // ours: AllocationFailed, ZonalAllocationFailed, only with the launch
    quota: 0.02, // ours: quotas are by family and region, spot has its own
    'slow-stop': 0.05,
    'slow-boot': 0.02,
    'old-view': 0.02,
    'lost-reply': 0.005,
    'false-offers': 1,
  },
}

const gcp: GivenFaults = {
  machines: true,
  callMs: [150, 1_000], // ours
  bootMs: seconds(20, 90), // ours
  teardownMs: seconds(30, 90), // ours
  noticeMs: seconds(0, 30), // 30 s, best effort, for spot (Compute Engine, "Spot VMs", 2026-11)
  told: 0.8, // ours
  preemptionsPerHour: 0.36, // median life 1.9 h of 1,442 preemptible machines (data set goog-preemption, read 2026-11)
  // Out of stock comes with the launch (ZONE_RESOURCE_POOL_EXHAUSTED), and for hours; the amounts are ours.
  swings: { everyMs: 3_600_000, nodes: [20, 100] },
  // 2025-06-12: about three hours without API in most regions, up to 7.5 h. A zone was out for weeks in 2023-04.
  outages: { perHour: 0.01, lastMs: seconds(600, 10_800), lost: 0.05 },
  rates: { 'no-capacity': 0.1, quota: 0.02, throttled: 0.01, 'old-view': 0.005, 'false-offers': 1 },
}

const oci: GivenFaults = {
  machines: true,
  callMs: [200, 1_500], // ours
  bootMs: seconds(60, 180), // ours; bare metal takes minutes more
  slowMs: seconds(300, 900), // ours: bare metal
  teardownMs: seconds(60, 240), // ours
  // Preemptible capacity may be reclaimed at any time, told by an event; no time is promised (OCI, "Preemptible
  // instances", 2026-11).
  noticeMs: seconds(0, 0),
  told: 0.7, // ours
  preemptionsPerHour: 0.05, // ours
  // "Out of host capacity" is an internal error (500) of the launch, and may pass; quotas are "LimitExceeded" (ours: shares).
  rates: { 'no-capacity': 0.2, quota: 0.03, throttled: 0.02, 'slow-boot': 0.1, 'slow-stop': 0.05, 'false-offers': 1 },
}

const kubernetes: GivenFaults = {
  callMs: [5, 100], // measured with 1.36 on one machine, 2026-11: a pod runs 0.25 s after its order
  bootMs: seconds(1, 60), // ours: images are pulled
  stopMs: seconds(0, 5),
  teardownMs: seconds(0, 5),
  // A dead node is noticed after 50 s and its pods are evicted 300 s later (defaults of node-monitor-grace-period and of the
  // tolerations, 1.36): until then they are shown as running.
  fateMs: seconds(0, 600),
  // The API server asks for less with 429 and Retry-After (API priority and fairness); after a restart a watch ends with
  // 410 and lists anew, and lists out of its cache may be old (measured with 1.36, 2026-11).
  retryAfterMs: seconds(1, 1), // what the API server sends (1.36)
  lagMs: seconds(1, 5),
  // Names may be used again: an order that comes twice, once after its deletion, makes its Job again.
  rememberedMs: 0,
  noticeMs: seconds(0, 30), // default grace of a pod
  rates: { throttled: 0.01, 'old-view': 0.02, unbooted: 0.01, dropped: 0.01, duplicated: 0.002, 'lost-reply': 0.002 },
}

const coreweave: GivenFaults = {
  ...kubernetes,
  bootMs: seconds(30, 900), // ours: nodes are bare metal, a node that is there takes seconds
  // Up to two bad nodes of a rack of 18 are within what is sold (CoreWeave's terms as read 2026-11).
  rates: { ...kubernetes.rates, unbooted: 0.03, hung: 0.01, 'no-capacity': 0.05 },
  preemptionsPerHour: 0.05, // ours: spot may be reclaimed at any time (docs.coreweave.com, "Spot node pools", 2026-11)
  noticeMs: seconds(0, 30), // ours: none is published
}

const slurm: GivenFaults = {
  callMs: [10, 200], // measured with 22.05 to 26.05, 2026-11
  bootMs: seconds(1, 10), // ours
  stopMs: seconds(0, 10),
  teardownMs: seconds(0, 30), // KillWait is 30 s by default; a frozen slurmd holds the job in COMPLETING for longer
  slowMs: seconds(60, 600), // ours
  // A killed slurmctld forgets what it acknowledged in the last five seconds (measured with 22.05, 24.11 and 26.05,
  // 2026-11): such a gang was never there.
  fateMs: seconds(0, 5),
  // An ended job is forgotten after MinJobAge, 300 s by default, and then its comment is no tag any more.
  rememberedMs: 300_000,
  // A controller that is gone answers 500 or 504 after 10 s while ping says 200 (measured, 2026-11).
  outages: { perHour: 0.1, lastMs: seconds(5, 300) },
  noticeMs: seconds(0, 60), // --signal may come up to 60 s early
  preemptionsPerHour: 0.1, // ours
  rates: {
    vanished: 0.01,
    'old-view': 0.02,
    'slow-stop': 0.02,
    'wrong-status': 0.002, // 22.05: every failure is 0 in sacct --json; exit codes are masked in its text up to 24.11
    'timed-out': 0.005,
  },
}

const local: GivenFaults = {
  callMs: [1, 20],
  bootMs: [20, 500],
  stopMs: [1, 100],
  teardownMs: [5, 100],
  rates: { hung: 0.005, dropped: 0.005, unreachable: 0.001 }, // ours
}

/** Faults and timings by the provider that is known to behave so. */
export const profiles: Readonly<Record<ProfileName, GivenFaults>> = {
  aws,
  azure,
  gcp,
  oci,
  coreweave,
  kubernetes,
  slurm,
  local,
}
