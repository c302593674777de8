using Tokonomics.Application.RateLimits;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;
using Tokonomics.Infrastructure.RateLimits;

namespace Tokonomics.Tests.RateLimits;

#pragma warning disable CA2012 // in process every answer is there at once, which is asserted

public sealed class InProcessTests
{
    private readonly StandingClock _clock = new();

    private InProcessRateLimiter Limiter(RateLimitOptions? options = null) => new(options ?? new RateLimitOptions(), _clock);

    private static RateVerdict Enter(InProcessRateLimiter limiter, Application.Keys.KeySnapshot key, long tokens = 1)
    {
        var entering = limiter.EnterAsync(key, tokens);
        entering.IsCompletedSuccessfully.ShouldBeTrue();
        return entering.Result;
    }

    [Fact]
    public void In_no_sixty_seconds_is_more_admitted_than_any_limit_and_what_is_refused_had_to_be()
    {
        for (var seed = 0; seed < 1500; seed++)
        {
            var random = new Random(seed);
            var clock = new StandingClock();
            var limiter = new InProcessRateLimiter(new RateLimitOptions(), clock);
            CallLimits Some() => new(random.Next(3) == 0 ? null : random.Next(1, 12), random.Next(3) == 0 ? null : random.Next(20, 400), random.Next(3) == 0 ? null : random.Next(1, 5));
            var tenantLimits = Some();
            var keys = Enumerable.Range(0, 2).Select(i => Callers.Key(Some(), tenantLimits, $"key_{i}")).ToList();
            var calls = new List<Call>();
            for (var step = 0; step < 150; step++)
            {
                clock.Advance(TimeSpan.FromMilliseconds(random.Next(4) switch { 0 => random.Next(30_000), 1 => 0, _ => random.Next(2_000) }));
                var running = calls.Where(c => c.Runs).ToList();
                if (running.Count > 0 && random.Next(2) == 0)
                {
                    var ended = running[random.Next(running.Count)];
                    ended.Runs = false;
                    if (random.Next(5) == 0)
                    {
                        limiter.Cancel(ended.Ticket);
                        (ended.Requests, ended.Tokens) = (0, 0);
                    }
                    else
                    {
                        // Never more than the estimate here: then what was used stays within the limit, too.
                        ended.Tokens = random.NextInt64(ended.Tokens + 1);
                        limiter.Leave(ended.Ticket, ended.Tokens);
                    }

                    limiter.Leave(ended.Ticket, 0); // ended already
                    continue;
                }

                var key = keys[random.Next(2)];
                var tokens = random.Next(1, 60);
                var verdict = Enter(limiter, key, tokens);
                if (verdict.IsAllowed)
                    calls.Add(new Call(clock.Elapsed, key.Id, verdict.Ticket) { Tokens = tokens });
                else
                    Over(TimeSpan.FromSeconds(61), tokens, 1).ShouldBeTrue($"seed {seed}, step {step}: refused by {verdict.Refusal}, with room");
                Over(TimeSpan.FromSeconds(60), 0, 0).ShouldBeFalse($"seed {seed}, step {step}");

                // Whether some limit is exceeded by what was used in that time, with so much more.
                bool Over(TimeSpan within, long moreTokens, int more)
                {
                    return Exceeds(tenantLimits, [.. calls]) || Exceeds(key.Limits!, [.. calls.Where(c => c.KeyId == key.Id)]);

                    bool Exceeds(CallLimits limits, List<Call> of)
                    {
                        var recent = of.Where(c => clock.Elapsed - c.At < within).ToList();
                        return recent.Sum(c => c.Requests) + more > limits.RequestsPerMinute || recent.Sum(c => c.Tokens) + moreTokens > limits.TokensPerMinute
                            || of.Count(c => c.Runs) + more > limits.ConcurrentRequests;
                    }
                }
            }
        }
    }

    private sealed class Call(TimeSpan at, string keyId, RateTicket ticket)
    {
        public TimeSpan At { get; } = at;

        public string KeyId { get; } = keyId;

        public RateTicket Ticket { get; } = ticket;

        public bool Runs { get; set; } = true;

        public int Requests { get; set; } = 1;

        public long Tokens { get; set; }
    }

    [Fact]
    public async Task Of_64_parallel_first_calls_as_many_are_admitted_as_the_limit_says()
    {
        for (var limit = 1; limit <= 64; limit += 7)
            foreach (var limits in new[] { new CallLimits(limit), new CallLimits(null, limit * 10), new CallLimits(null, null, limit) })
            {
                var limiter = Limiter();
                var key = Callers.Key(limits);
                using var start = new Barrier(64);
                var verdicts = await Task.WhenAll(Enumerable.Range(0, 64).Select(_ => Task.Factory.StartNew(
                    () =>
                    {
                        start.SignalAndWait();
                        return Enter(limiter, key, 10);
                    },
                    TaskCreationOptions.LongRunning)));
                verdicts.Count(v => v.IsAllowed).ShouldBe(limit, limits.ToString());
            }
    }

    [Fact]
    public async Task A_place_is_free_again_once_whatever_ends_the_call_and_however_often_it_is_said()
    {
        var limiter = Limiter();
        var key = Callers.Key(new CallLimits(null, null, 5), new CallLimits(null, null, 7));
        var (running, most, failures) = (0, 0, 0);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(worker => Task.Run(async () =>
        {
            var random = new Random(worker);
            for (var i = 0; i < 500; i++)
            {
                var verdict = Enter(limiter, key);
                if (!verdict.IsAllowed)
                    continue;
                var copy = verdict.Ticket;
                try
                {
                    InterlockedMax(ref most, Interlocked.Increment(ref running));
                    if (random.Next(3) == 0)
                        await Task.Yield();
                    if (random.Next(2) == 0)
                        throw new InvalidOperationException("somewhere in the call");
                }
                catch (InvalidOperationException)
                {
                    Interlocked.Increment(ref failures);
                }
                finally
                {
                    Interlocked.Decrement(ref running);
                    if (random.Next(4) == 0)
                        limiter.Cancel(copy);
                    limiter.Leave(verdict.Ticket, null);
                    limiter.Leave(copy, 5);
                    limiter.Cancel(copy);
                }
            }
        })));
        failures.ShouldBeGreaterThan(100);
        most.ShouldBeInRange(2, 5);
        Enumerable.Range(0, 8).Count(_ => Enter(limiter, key).IsAllowed).ShouldBe(5); // all places are there, and no more
    }

    private static void InterlockedMax(ref int most, int value)
    {
        for (var seen = most; value > seen; seen = most)
            if (Interlocked.CompareExchange(ref most, value, seen) == seen)
                return;
    }

    [Fact]
    public void A_refusal_takes_nothing_from_any_limit()
    {
        var limiter = Limiter();
        var one = Callers.Key(new CallLimits(100, 1000, 10), new CallLimits(1), "key_1");
        var other = Callers.Key(new CallLimits(3, 100), null, "key_1"); // the same key, later without a limit on its tenant
        Enter(limiter, one, 100).IsAllowed.ShouldBeTrue();
        for (var i = 0; i < 50; i++)
            Enter(limiter, one, 100).Refusal.ShouldBe(new RateRefusal(RateScope.Tenant, RateKind.Requests, 1, TimeSpan.FromSeconds(61)));
        // The key has 1 request of 3 and 100 tokens of 100 used.
        var refused = Enter(limiter, other, 1);
        refused.Refusal!.Kind.ShouldBe(RateKind.Tokens);
        (refused.Requests.Remaining, refused.Tokens.Remaining).ShouldBe((2, 0));
    }

    [Fact]
    public void Tokens_are_corrected_from_the_estimate_to_what_was_used()
    {
        var limiter = Limiter();
        var key = Callers.Key(new CallLimits(null, 1000));
        var first = Enter(limiter, key, 800);
        first.Tokens.ShouldBe(new RateStanding(1000, 200, 61));
        Enter(limiter, key, 300).IsAllowed.ShouldBeFalse();
        limiter.Leave(first.Ticket, 100);
        var second = Enter(limiter, key, 300);
        second.Tokens.Remaining.ShouldBe(600); // 1000 - 100 - 300
        limiter.Leave(second.Ticket, 1500); // more than there was room for: 1600 are used
        Enter(limiter, key, 1).Refusal!.RetryAfter.ShouldBe(TimeSpan.FromSeconds(61));
        _clock.Advance(TimeSpan.FromSeconds(61));
        Enter(limiter, key, 1).IsAllowed.ShouldBeTrue();
    }

    [Fact]
    public void A_call_of_unknown_usage_keeps_its_estimate_and_one_that_was_never_sent_gives_all_back()
    {
        var limiter = Limiter();
        var key = Callers.Key(new CallLimits(2, 1000, 1));
        limiter.Leave(Enter(limiter, key, 700).Ticket, null);
        var second = Enter(limiter, key, 300);
        second.Tokens.Remaining.ShouldBe(0);
        limiter.Cancel(second.Ticket);
        Enter(limiter, key, 300).ShouldSatisfyAllConditions(v => v.IsAllowed.ShouldBeTrue(), v => v.Requests.Remaining.ShouldBe(0));
    }

    [Fact]
    public void Whoever_waits_as_told_is_admitted_and_whoever_asks_for_more_than_the_limit_is_not_told_to()
    {
        var limiter = Limiter();
        var key = Callers.Key(new CallLimits(2, 1000));
        Enter(limiter, key, 600);
        _clock.Advance(TimeSpan.FromSeconds(20));
        Enter(limiter, key, 100);
        _clock.Advance(TimeSpan.FromSeconds(5));
        var refused = Enter(limiter, key, 500).Refusal!;
        refused.ShouldBe(new RateRefusal(RateScope.Key, RateKind.Requests, 2, TimeSpan.FromSeconds(36))); // second 0 leaves at 61
        _clock.Advance(refused.RetryAfter!.Value - TimeSpan.FromTicks(1));
        Enter(limiter, key, 500).IsAllowed.ShouldBeFalse();
        _clock.Advance(TimeSpan.FromTicks(1));
        Enter(limiter, key, 500).IsAllowed.ShouldBeTrue();
        Enter(limiter, key, 1001).Refusal.ShouldBe(new RateRefusal(RateScope.Key, RateKind.Tokens, 1000, null));
    }

    [Fact]
    public void Live_and_test_keys_of_a_tenant_and_other_tenants_have_limits_of_their_own()
    {
        var limiter = Limiter();
        var limits = new CallLimits(1);
        Enter(limiter, Callers.Key(null, limits, "key_1")).IsAllowed.ShouldBeTrue();
        Enter(limiter, Callers.Key(null, limits, "key_2")).Refusal!.Scope.ShouldBe(RateScope.Tenant);
        Enter(limiter, Callers.Key(null, limits, "key_3", environment: KeyEnvironment.Test)).IsAllowed.ShouldBeTrue();
        Enter(limiter, Callers.Key(null, limits, "key_4", "ten_2")).IsAllowed.ShouldBeTrue();
    }

    [Fact]
    public void The_installations_limits_apply_where_there_is_none_of_its_own()
    {
        var limiter = Limiter(new RateLimitOptions { KeyRequestsPerMinute = 1, TenantConcurrentRequests = 3 });
        Enter(limiter, Callers.Key(id: "key_1")).Requests.ShouldBe(new RateStanding(1, 0, 61));
        Enter(limiter, Callers.Key(id: "key_1")).Refusal!.Scope.ShouldBe(RateScope.Key);
        Enter(limiter, Callers.Key(new CallLimits(5), id: "key_2")).Requests.Remaining.ShouldBe(4);
        Enter(limiter, Callers.Key(new CallLimits(5), id: "key_2")).IsAllowed.ShouldBeTrue();
        Enter(limiter, Callers.Key(new CallLimits(5), id: "key_2")).Refusal.ShouldBe(new RateRefusal(RateScope.Tenant, RateKind.Concurrency, 3, TimeSpan.FromSeconds(1)));
    }

    [Fact]
    public void A_lowered_limit_counts_at_once_with_what_was_used_before()
    {
        var limiter = Limiter();
        for (var i = 0; i < 10; i++)
            Enter(limiter, Callers.Key(new CallLimits(10))).IsAllowed.ShouldBeTrue();
        Enter(limiter, Callers.Key(new CallLimits(5))).IsAllowed.ShouldBeFalse();
        Enter(limiter, Callers.Key(new CallLimits(11))).IsAllowed.ShouldBeTrue();
    }

    [Fact]
    public void Nothing_is_allocated_where_no_limit_applies_or_all_have_room()
    {
        var limiter = Limiter();
        var free = Callers.Key(id: "key_free");
        var limited = Callers.Key(new CallLimits(1_000_000, 1_000_000_000, 1000), new CallLimits(1_000_000, 1_000_000_000, 1000));
        void Calls()
        {
            for (var i = 0; i < 1000; i++)
            {
                limiter.Leave(limiter.EnterAsync(free, 100).Result.Ticket, 100);
                limiter.Leave(limiter.EnterAsync(limited, 100).Result.Ticket, 90);
            }
        }

        for (var i = 0; i < 20; i++)
            Calls();
        var before = GC.GetAllocatedBytesForCurrentThread();
        Calls();
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBe(0);
    }

    [Fact]
    public void A_key_that_was_not_used_for_a_minute_takes_no_memory()
    {
        var limiter = Limiter();
        for (var i = 0; i < 1000; i++)
            limiter.Leave(Enter(limiter, Callers.Key(new CallLimits(5), new CallLimits(100_000), $"key_{i}")).Ticket, 1);
        var runs = Enter(limiter, Callers.Key(null, new CallLimits(null, null, 5), "key_x", "ten_x"));
        limiter.Count.ShouldBe(1002);
        limiter.Sweep();
        limiter.Count.ShouldBe(1002);
        _clock.Advance(TimeSpan.FromSeconds(61));
        limiter.Sweep();
        limiter.Count.ShouldBe(1); // the one that runs
        limiter.Leave(runs.Ticket, null);
        limiter.Sweep();
        limiter.Count.ShouldBe(0);
        Enter(limiter, Callers.Key(new CallLimits(5))).Requests.Remaining.ShouldBe(4);
    }

    [Fact]
    public async Task Sweeping_never_loses_a_call()
    {
        var limiter = Limiter();
        var key = Callers.Key(new CallLimits(null, null, 3));
        using var stop = new CancellationTokenSource();
        var sweeping = Task.Run(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                _clock.Advance(TimeSpan.FromSeconds(100));
                limiter.Sweep();
            }
        });
        var running = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() =>
        {
            for (var i = 0; i < 5_000; i++)
            {
                var verdict = Enter(limiter, key);
                if (!verdict.IsAllowed)
                    continue;
                Interlocked.Increment(ref running).ShouldBeLessThanOrEqualTo(3);
                Interlocked.Decrement(ref running);
                limiter.Leave(verdict.Ticket, null);
            }
        })));
        await stop.CancelAsync();
        await sweeping;
    }
}
