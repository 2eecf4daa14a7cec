import { createRoute } from '@hono/zod-openapi'
import { z } from 'zod'

import { ProviderName, Tier } from '#model/names.ts'
import { OfferTerms } from '#model/offer.ts'
import { siteKey } from '#model/site.ts'
import type { ApiHouse } from '#api/house.ts'
import { answers, type Api } from '#api/openapi.ts'
import { leavingView, money, time } from '#api/show.ts'
import { notFound } from '#api/problem.ts'
import { siteParams } from '#api/site-views.ts'
import { OfferList, SiteList, SiteView, type OfferView } from '#api/views.ts'

const sites = createRoute({
  method: 'get',
  path: '/v1/sites',
  tags: ['sites'],
  summary: 'Sites, and whether they answer.',
  responses: answers(200, SiteList, 'All sites.'),
})

const offers = createRoute({
  method: 'get',
  path: '/v1/offers',
  tags: ['sites'],
  summary: 'What one can get, where and at which price; the cheapest first.',
  request: {
    query: z.object({
      provider: ProviderName.optional(),
      site: z.string().max(200).optional().meta({ description: 'provider/name' }),
      tier: Tier.optional(),
      accelerator: z.string().max(60).optional().meta({ description: 'Model, such as H200.' }),
    }),
  },
  responses: answers(200, OfferList, 'Offers as last heard.'),
})

const oneSite = createRoute({
  method: 'get',
  path: '/v1/sites/{provider}/{name}',
  tags: ['sites'],
  summary: 'A site, and how far leaving it has come.',
  request: { params: siteParams },
  responses: answers(200, SiteView, 'The site.'),
})

export function siteRoutes(app: Api, house: ApiHouse): void {
  app.openapi(sites, async (c) => c.json({ items: await viewsOf(house, await house.store.sites.list()) }, 200))

  app.openapi(oneSite, async (c) => {
    const key = siteKey(c.req.valid('param'))
    const rows = await house.store.sites.list()
    const [view] = await viewsOf(
      house,
      rows.filter((row) => row.site === key),
    )
    if (!view) throw notFound(`There is no site ${key}.`, 'isobar sites')
    return c.json(view, 200)
  })

  app.openapi(offers, async (c) => {
    const query = c.req.valid('query')
    const items = (await allOffers(house)).filter(
      ({ provider, site, tier, shape }) =>
        (query.provider ?? provider) === provider &&
        (query.site ?? site) === site &&
        (query.tier ?? tier) === tier &&
        (query.accelerator === undefined || shape.accelerator?.toLowerCase() === query.accelerator.toLowerCase()),
    )
    return c.json({ items }, 200)
  })
}

type SiteRows = Awaited<ReturnType<ApiHouse['store']['sites']['list']>>

async function viewsOf(house: ApiHouse, rows: SiteRows): Promise<SiteView[]> {
  const { count, kept } = house.store.sites
  const [keptAt, ...leases] = await Promise.all([kept(), ...rows.map((row) => count(row.site))])
  return rows.map(({ info, nodes, offers: offered, leaving, ...reach }, index) => ({
    site: siteKey(info),
    jurisdictions: info.jurisdictions,
    patienceMs: info.patienceMs,
    reach: reach.reach,
    since: time(reach.since),
    detail: reach.detail,
    nodes: nodes?.length ?? null,
    offers: offered.length,
    leases: leases[index] ?? 0,
    kept: keptAt.get(siteKey(info)) ?? 0,
    leaving: leaving ? leavingView(leaving) : null,
  }))
}

async function allOffers(house: ApiHouse): Promise<OfferView[]> {
  const rows = await house.store.sites.list()
  return rows
    .flatMap(({ info, offers: offered, reach }) => offered.map((offer) => ({ info, offer, reach })))
    .toSorted((a, b) => a.offer.priceMicros - b.offer.priceMicros)
    .map(({ info, offer, reach }) => ({
      site: siteKey(info),
      provider: offer.provider,
      tier: offer.tier,
      shape: offer.shape,
      divisible: offer.divisible,
      pricePerHour: money(offer.priceMicros),
      available: offer.available ?? null,
      bounds: offer.bounds ?? [],
      jurisdictions: info.jurisdictions,
      reach,
      source: offer.source,
      terms: OfferTerms.parse(offer),
      pools: offer.pools ?? [],
      asOf: time(offer.asOf),
    }))
}
