// Every call that the product makes at Stripe, made by Stripe's own library against the address in the first argument, with the second as its key.
// What it gets back is what the library makes of it: the fake is one that the library understands.
import assert from 'node:assert/strict';
import Stripe from 'stripe';

const base = new URL(process.argv[2]);
const stripe = new Stripe(process.argv[3], { host: base.hostname, port: Number(base.port), protocol: 'http', maxNetworkRetries: 1 });
const calls = [];
const said = (name) => calls.push(name);

const product = await stripe.products.create({ name: 'Pro' });
const price = await stripe.prices.create({ product: product.id, currency: 'usd', unit_amount: 4900, recurring: { interval: 'month' }, lookup_key: 'sdk_pro' });
const found = await stripe.prices.list({ lookup_keys: ['sdk_pro'], active: true, limit: 100 });
assert.deepEqual(found.data.map((p) => [p.id, p.unit_amount, p.lookup_key]), [[price.id, 4900, 'sdk_pro']]);
assert.equal((await stripe.prices.list({ lookup_keys: ['none'] })).data.length, 0);
said('prices');

// One customer, however often it is asked for by the same key; with other parameters the key is a mistake.
const once = { idempotencyKey: 'sdk-customer' };
const customer = await stripe.customers.create({ metadata: { tenant_id: 'ten_sdk' } }, once);
assert.equal((await stripe.customers.create({ metadata: { tenant_id: 'ten_sdk' } }, once)).id, customer.id);
await assert.rejects(stripe.customers.create({ metadata: { tenant_id: 'other' } }, once), (e) => e.type === 'StripeIdempotencyError');
await stripe.customers.update(customer.id, { name: 'SDK Ltd', email: 'sdk@example.com' });
assert.equal((await stripe.customers.retrieve(customer.id)).name, 'SDK Ltd');
await assert.rejects(stripe.customers.retrieve('cus_none'), (e) => e.type === 'StripeInvalidRequestError' && e.code === 'resource_missing' && e.statusCode === 404);
said('customers');

const session = await stripe.checkout.sessions.create({
  mode: 'subscription', customer: customer.id, client_reference_id: 'ten_sdk', line_items: [{ price: price.id, quantity: 1 }],
  success_url: 'https://example.com/done?session_id={CHECKOUT_SESSION_ID}', cancel_url: 'https://example.com', metadata: { plan: 'pro' }, subscription_data: { metadata: { tenant_id: 'ten_sdk' } },
  allow_promotion_codes: true, payment_method_collection: 'if_required',
});
assert.equal(session.status, 'open');
assert.match(session.id, /^cs_/);
assert.ok(session.url.startsWith(base.origin));
const expired = await stripe.checkout.sessions.expire(session.id);
assert.equal(expired.status, 'expired');
await assert.rejects(stripe.checkout.sessions.expire(session.id), (e) => e.type === 'StripeInvalidRequestError' && e.statusCode === 400);
assert.equal((await stripe.checkout.sessions.retrieve(session.id, { expand: ['subscription'] })).url, null);
said('checkout sessions');

const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], metadata: { tenant_id: 'ten_sdk' } });
assert.equal(subscription.status, 'active');
assert.ok(subscription.items.data[0].current_period_end > subscription.items.data[0].current_period_start);
assert.equal(subscription.current_period_end, undefined);
const all = [];
for await (const s of stripe.subscriptions.list({ customer: customer.id, status: 'all', limit: 1, expand: ['data.latest_invoice'] })) all.push(s);
assert.equal(all.length, 1);
assert.equal(all[0].latest_invoice.parent.subscription_details.subscription, subscription.id);
const ending = await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: true });
assert.equal(ending.cancel_at_period_end, true);
await assert.rejects(stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id }), (e) => e.code === 'invoice_upcoming_none');
await stripe.subscriptions.update(subscription.id, { cancel_at_period_end: false });
said('subscriptions');

assert.equal((await stripe.invoices.createPreview({ customer: customer.id, subscription: subscription.id })).amount_due, 4900);
const invoices = await stripe.invoices.list({ customer: customer.id, limit: 24 });
assert.deepEqual(invoices.data.map((i) => [i.status, i.total]), [['paid', 4900]]);
said('invoices');

assert.ok((await stripe.billingPortal.sessions.create({ customer: customer.id, return_url: 'https://example.com' })).url.startsWith(base.origin));
said('portal sessions');

// What a tenant's own meter is told: whole numbers, each identifier once, 35 days back and five minutes ahead.
const made = await stripe.billing.meters.create({ display_name: 'Spend', event_name: 'spend', default_aggregation: { formula: 'sum' } });
assert.deepEqual([made.status, made.default_aggregation.formula, made.customer_mapping.event_payload_key, made.value_settings.event_payload_key], ['active', 'sum', 'stripe_customer_id', 'value']);
const hour = Math.floor(Date.now() / 3_600_000) * 3600 - 7200;
const meter = { event_name: 'spend', identifier: 'once', timestamp: hour + 3599, payload: { stripe_customer_id: customer.id, value: '125' } };
assert.equal((await stripe.billing.meterEvents.create(meter, { idempotencyKey: 'once-0' })).identifier, 'once');
assert.equal((await stripe.billing.meterEvents.create(meter, { idempotencyKey: 'once-0' })).identifier, 'once');
await assert.rejects(stripe.billing.meterEvents.create(meter, { idempotencyKey: 'once-1' }), (e) => e.statusCode === 400 && e.code === undefined && /already exists with identifier once/.test(e.message));
await stripe.billing.meterEvents.create({ ...meter, identifier: 'less', payload: { ...meter.payload, value: '-5' } });
await assert.rejects(stripe.billing.meterEvents.create({ ...meter, identifier: 'part', payload: { ...meter.payload, value: '1.5' } }), (e) => e.code === 'meter_event_invalid_value');
await assert.rejects(stripe.billing.meterEvents.create({ ...meter, identifier: 'old', timestamp: hour - 36 * 86400 }), (e) => e.code === 'timestamp_too_far_in_past');
await assert.rejects(stripe.billing.meterEvents.create({ ...meter, identifier: 'new', timestamp: hour + 86400 }), (e) => e.code === 'timestamp_in_future');
const summaries = await stripe.billing.meters.listEventSummaries(made.id, { customer: customer.id, start_time: hour, end_time: hour + 3600 });
assert.deepEqual(summaries.data.map((s) => s.aggregated_value), [120]);
assert.equal((await stripe.billing.meters.listEventSummaries(made.id, { customer: customer.id, start_time: hour + 3600, end_time: hour + 7200 })).data.length, 0);
assert.equal((await stripe.billing.meters.deactivate(made.id)).status, 'inactive');
assert.equal((await stripe.billing.meters.list({ status: 'active' })).data.length, 0);
await assert.rejects(stripe.billing.meterEvents.create({ ...meter, identifier: 'late' }), (e) => e.code === 'archived_meter');
said('meters');

assert.equal((await stripe.subscriptions.cancel(subscription.id, { prorate: false })).status, 'canceled');
await assert.rejects(stripe.subscriptions.cancel(subscription.id), (e) => e.statusCode === 404);
const undelivered = [];
for await (const e of stripe.events.list({ types: ['customer.subscription.created', 'customer.subscription.deleted'], delivery_success: false, created: { gte: 0 }, limit: 1 })) undelivered.push(e.type);
assert.deepEqual(undelivered, ['customer.subscription.deleted', 'customer.subscription.created']);
assert.equal((await stripe.customers.del(customer.id)).deleted, true);
assert.equal((await stripe.customers.retrieve(customer.id)).deleted, true);
said('events');

assert.equal((await stripe.charges.list({ customer: customer.id, limit: 100 })).data.length, 0);
assert.equal((await stripe.disputes.list({ charge: 'ch_none', limit: 100 })).data.length, 0);
await assert.rejects(stripe.disputes.retrieve('dp_none', { expand: ['charge'] }), (e) => e.code === 'resource_missing' && e.statusCode === 404);
said('disputes');

await assert.rejects(new Stripe('nonsense', { host: base.hostname, port: Number(base.port), protocol: 'http' }).customers.list(), (e) => e.type === 'StripeAuthenticationError');
said('keys');
process.stdout.write(calls.join(', '));
