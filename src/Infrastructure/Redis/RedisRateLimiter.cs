using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using StackExchange.Redis;
using Tokonomics.Application.Keys;
using Tokonomics.Application.RateLimits;
using Tokonomics.Infrastructure.RateLimits;

namespace Tokonomics.Infrastructure.Redis;

/// <summary>
/// Limits that hold over many nodes. A call is taken from what this node has at hand, else from Redis: one question for all its limits, which takes
/// from all or none. A busy key takes ahead, so that most calls ask nobody. While Redis is away a node goes by its share of each limit and
/// keeps account of it; when Redis is back, or is back empty, it is charged there.
/// </summary>
/// <remarks>
/// In any 60 seconds no more than the limit is admitted, whatever the number of nodes, while Redis is there. When it goes, each node may
/// admit its share (limit / nodes) less what it used in the minute before: over the change at most one further limit. When it comes back empty, the
/// nodes tell it what they remember as soon as they notice, within a second, and until then, for five seconds, none gets more than its share. The same where
/// another Redis has taken over, which may lack the last of what the one before was told.
/// </remarks>
internal sealed partial class RedisRateLimiter : BackgroundService, IRateLimiter
{
    private static readonly TimeSpan TickEvery = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan NodeCountsFor = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan SlotLease = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RefusedFor = TimeSpan.FromMilliseconds(250);
    private const int BeatEveryTicks = 5;
    private const int RenewEveryTicks = 20;
    private const int FewerAfterHeartbeats = 120;
    private const int SweepEveryTicks = 100;
    private const int MembersAtOnce = 1000;

    private readonly RedisConnection _redis;
    private readonly TimeProvider _time;
    private readonly NodeLimits _node;
    private readonly ConcurrentQueue<SharedScope> _dirty = new();
    private readonly RedisKey[] _nodesKey;
    private readonly RateLimitOptions _options;
    private readonly ILogger<RedisRateLimiter> _log;
    private readonly long _patience; // while the rest is asked for, what was taken ahead must not grow too old
    private long _lastSlot;
    private int _nodes;
    private int _fewer;
    private long _since;
    private long _from; // since when it is this Redis, on its clock
    private volatile bool _reconnected;

    public RedisRateLimiter(RedisConnection redis, RedisOptions redisOptions, RateLimitOptions options, TimeProvider time, ILogger<RedisRateLimiter> log, IMeterFactory? meters = null)
    {
        meters?.Create("Tokonomics.Redis").CreateObservableGauge("tokonomics.redis.up", () => redis.IsUsable ? 1 : 0, null, "1 while Redis answers this proxy, 0 while each node goes by its share of the rate limits; absent without Redis.");
        (_redis, _time, _options, _log, _nodes) = (redis, time, options, log, options.Nodes);
        _patience = (long)(redisOptions.Timeout.TotalSeconds * time.TimestampFrequency);
        _nodesKey = [$"{redisOptions.Prefix}rate:{{nodes}}:all", $"{redisOptions.Prefix}rate:{{nodes}}:since", $"{redisOptions.Prefix}rate:{{nodes}}:run"];
        _node = new NodeLimits(options, time)
        {
            Share = (tenant, environment, key) => new SharedScope(redisOptions.Prefix, tenant, environment, key, _dirty.Enqueue, Release),
        };
        _redis.Restored += () => _ = RenewAsync();
        // It may be another Redis than before.
        _redis.Reconnected += () => _reconnected = true;
    }

    /// <summary>How many nodes a limit is divided among while Redis is away.</summary>
    public int Nodes => Volatile.Read(ref _nodes);

    /// <summary>Questions to Redis so far, for the tests of what is taken ahead.</summary>
    public long Asked => Interlocked.Read(ref _asked);

    private long _asked;

    public ValueTask<RateVerdict> EnterAsync(KeySnapshot key, long estimatedTokens)
    {
        if (!_node.TryLock(key, out var scopes))
            return default;
        Question question;
        try
        {
            var tokens = Math.Max(1, estimatedTokens); // without that, an overdrawn window would let calls of unknown size through
            var now = _time.GetTimestamp();
            if (TryAtHand(scopes, tokens, now, out var atHand))
                return new ValueTask<RateVerdict>(atHand);
            question = new Question(scopes, tokens, Interlocked.Add(ref _lastSlot, MembersAtOnce));
            if (question.NeverFits() is { } never)
                return new ValueTask<RateVerdict>(Verdict(question, default, never));
            question.TakeAtHand(now + _patience);
            if (question.RefusedLately(now, _time.TimestampFrequency) is { } refusal)
            {
                question.PutBack();
                return new ValueTask<RateVerdict>(Verdict(question, default, refusal));
            }

            if (!_redis.IsUsable)
            {
                question.PutBack();
                return new ValueTask<RateVerdict>(TakeShare(question));
            }

            question.Compose(_redis.Node, Nodes, Interlocked.Read(ref _from), _node.Second, SlotLease);
        }
        finally
        {
            scopes.Exit();
        }

        return AskAsync(question);
    }

    public void Leave(RateTicket ticket, long? actualTokens) => _node.End(ticket, actualTokens, sent: true);

    public void Cancel(RateTicket ticket) => _node.End(ticket, null, sent: false);

    // Nothing is allocated here.
    private bool TryAtHand(in CallScopes scopes, long tokens, long now, out RateVerdict verdict)
    {
        var (tenant, key) = (scopes.Tenant?.Shared, scopes.Key?.Shared);
        verdict = default;
        if (tenant?.HasAtHand(scopes.TenantLimits, tokens, now) == false || key?.HasAtHand(scopes.KeyLimits, tokens, now) == false)
            return false;
        var second = _node.Second;
        var ticket = _node.Admit(scopes, tokens, tenant?.TakeAtHand(scopes.TenantLimits, tokens, now, second) ?? default, key?.TakeAtHand(scopes.KeyLimits, tokens, now, second) ?? default);
        verdict = new RateVerdict(
            ticket,
            RateStanding.Tighter(
                scopes.KeyLimits.Requests > 0 ? key!.Requests.Standing(scopes.KeyLimits.Requests, scopes.Key!.Requests) : default,
                scopes.TenantLimits.Requests > 0 ? tenant!.Requests.Standing(scopes.TenantLimits.Requests, scopes.Tenant!.Requests) : default),
            RateStanding.Tighter(
                scopes.KeyLimits.Tokens > 0 ? key!.Tokens.Standing(scopes.KeyLimits.Tokens, scopes.Key!.Tokens) : default,
                scopes.TenantLimits.Tokens > 0 ? tenant!.Tokens.Standing(scopes.TenantLimits.Tokens, scopes.Tenant!.Tokens) : default),
            null);
        return true;
    }

    private async ValueTask<RateVerdict> AskAsync(Question question)
    {
        var askedAt = _time.GetTimestamp();
        Interlocked.Increment(ref _asked);
        var answer = await _redis.EvaluateAsync(RedisScript.Enter, question.Keys, question.Values, late => Undo(question, late));
        question.Scopes.Enter();
        try
        {
            if (answer is null)
            {
                question.Fail();
                return TakeShare(question);
            }

            var refusal = question.Apply((long[])answer!, askedAt, _time, RefusedFor);
            return refusal is null ? Verdict(question, Admit(question), null) : Verdict(question, default, refusal);
        }
        finally
        {
            question.Scopes.Exit();
        }
    }

    private RateTicket Admit(Question question)
    {
        var second = _node.Second;
        question.Use(second);
        return _node.Admit(question.Scopes, question.Tokens, question.TenantUse, question.KeyUse);
    }

    // Redis can't be asked: by this node's own count and its share of each limit.
    private RateVerdict TakeShare(Question question)
    {
        var verdict = _node.Take(question.Scopes, question.Tokens, Nodes);
        if (verdict.Ticket.Admission is Admission admission)
        {
            admission.TenantUse = question.Owe(RateScope.Tenant);
            admission.KeyUse = question.Owe(RateScope.Key);
        }

        return verdict;
    }

    private RateVerdict Verdict(Question question, RateTicket ticket, RateRefusal? refusal)
    {
        var second = _node.Second;
        return new RateVerdict(ticket, question.Standing(RateKind.Requests, second), question.Standing(RateKind.Tokens, second), refusal);
    }

    // An answer that came after its call had gone on without it.
    private void Undo(Question question, RedisResult late)
    {
        var slots = new List<(SharedScope Shared, RedisValue[] Members)>();
        question.Scopes.Enter();
        question.Undo((long[])late!, _redis.Node, slots);
        question.Scopes.Exit();
        foreach (var (shared, members) in slots)
            _redis.Send(redis => redis.SortedSetRemoveAsync(shared.Slots.Key, members), itAnswers: true);
    }

    // Under the scope's lock: a slot that others wait for must not wait for a tick. Sending doesn't wait.
    private void Release(SharedScope shared, long slot) => Remove(shared, [Question.Member(_redis.Node, slot)]);

    private void Remove(SharedScope shared, RedisValue[] members) =>
        _redis.Send(redis => redis.SortedSetRemoveAsync(shared.Slots.Key, members));

    /// <summary>Connects, and finds out whether Redis is there, before the host takes calls; waits for it a second and a little.</summary>
    public override async Task StartAsync(CancellationToken cancellationToken)
    {
        await _redis.StartAsync();
        await HeartbeatAsync();
        await base.StartAsync(cancellationToken);
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(TickEvery, _time);
        for (var tick = 1; await timer.WaitForNextTickAsync(stoppingToken); tick++)
        {
            try
            {
                if (_redis.IsProbeDue || (_redis.IsUsable && (_reconnected || tick % BeatEveryTicks == 0)))
                {
                    _reconnected = false;
                    await HeartbeatAsync();
                }

                if (tick % RenewEveryTicks == 0)
                    await RenewAsync();
                await FlushAsync();
                if (tick % SweepEveryTicks == 0)
                    _node.Sweep();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // Whatever it was, the next tick tries again; ending the loop would leave the node without Redis for good.
                NotKeptUp(e);
            }
        }
    }

    public override async Task StopAsync(CancellationToken cancellationToken)
    {
        await base.StopAsync(cancellationToken);
        var gone = (RedisValue)_redis.Node;
        _redis.Send(redis => redis.SortedSetRemoveAsync(_nodesKey[0], gone));
        foreach (var scope in _node.Scopes)
            if (scope.Shared is { } shared)
            {
                RedisValue[] members;
                lock (scope.Sync)
                    members = [.. shared.Slots.Held.Select(s => (RedisValue)Question.Member(_redis.Node, s))];
                if (members.Length > 0)
                    Remove(shared, members);
            }
    }

    private async Task HeartbeatAsync()
    {
        var answer = await _redis.ProbeAsync(RedisScript.Nodes, _nodesKey, [_redis.Node, (long)NodeCountsFor.TotalMilliseconds]);
        if (answer is null)
            return;
        var told = (long[])answer!;
        // Fewer nodes count only after a minute: a Redis that lost everything knows only those that have said so since, and may go at once again.
        var nodes = Math.Max(_options.Nodes, (int)told[0]);
        if (nodes >= _nodes || ++_fewer >= FewerAfterHeartbeats)
        {
            Volatile.Write(ref _nodes, nodes);
            _fewer = 0;
        }

        var (before, since, another) = (_since, told[1], told[2] != _from);
        _since = since;
        Interlocked.Exchange(ref _from, told[2]);
        if (before == 0 || (before == since && !another))
            return;
        if (before == since)
            Another();
        else
            Lost();
        await RetellAsync();
    }

    /// <summary>Renews the leases of all slots, and gives back those that nobody needs.</summary>
    private async Task RenewAsync()
    {
        var renewing = new List<Task>();
        foreach (var scope in _node.Scopes)
        {
            if (scope.Shared is not { } shared)
                continue;
            List<long> unneeded;
            long[] held;
            lock (scope.Sync)
            {
                unneeded = shared.Slots.TakeUnneeded();
                held = [.. shared.Slots.Held];
            }

            if (unneeded.Count > 0)
                Remove(shared, [.. unneeded.Select(s => (RedisValue)Question.Member(_redis.Node, s))]);
            foreach (var some in held.Chunk(MembersAtOnce))
                renewing.Add(_redis.EvaluateAsync(
                    RedisScript.Renew, [shared.Slots.Key], [(long)SlotLease.TotalMilliseconds, .. some.Select(s => (RedisValue)Question.Member(_redis.Node, s))]));
        }

        await Task.WhenAll(renewing);
    }

    /// <summary>Tells Redis what is owed to it and what goes back.</summary>
    private async Task FlushAsync()
    {
        var now = _time.GetTimestamp();
        foreach (var scope in _node.Scopes)
            if (scope.Shared is { } shared)
                lock (scope.Sync)
                {
                    shared.Requests.ExpireStock(now);
                    shared.Tokens.ExpireStock(now);
                    if (!shared.Requests.IsIdle || !shared.Tokens.IsIdle)
                        shared.MarkDirty();
                }

        var telling = new List<Task>();
        for (var waiting = _redis.IsUsable ? _dirty.Count : 0; waiting > 0 && _dirty.TryDequeue(out var shared); waiting--)
        {
            if (shared.Scope is not { } scope)
                continue;
            Question question;
            lock (scope.Sync)
            {
                shared.Queued = false;
                question = Question.Telling(scope, all: false);
                question.Compose(_redis.Node, Nodes, Interlocked.Read(ref _from), _node.Second, SlotLease);
            }

            telling.Add(AskAsync(question, shared));
        }

        await Task.WhenAll(telling);
    }

    /// <summary>Redis has lost what it knew, or the last of it: tells it what this node used in the last minute, and what runs.</summary>
    private async Task RetellAsync()
    {
        var telling = new List<Task>();
        foreach (var scope in _node.Scopes)
        {
            Question question;
            lock (scope.Sync)
            {
                if (scope.Shared is not { Scope: not null } || (question = Question.Telling(scope, all: true)).IsEmpty)
                    continue;
                question.Compose(_redis.Node, Nodes, Interlocked.Read(ref _from), _node.Second, SlotLease);
            }

            telling.Add(AskAsync(question, scope.Shared));
        }

        await Task.WhenAll(telling);
        await RenewAsync();
    }

    private async Task AskAsync(Question question, SharedScope shared)
    {
        var askedAt = _time.GetTimestamp();
        var answer = await _redis.EvaluateAsync(RedisScript.Enter, question.Keys, question.Values);
        lock (shared.Scope!.Sync)
        {
            if (answer is not null)
            {
                question.Apply((long[])answer!, askedAt, _time, RefusedFor);
                return;
            }

            question.Fail();
            shared.MarkDirty();
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Redis has lost what it knew of the rate limits; it is told what this node used in the last minute")]
    private partial void Lost();

    [LoggerMessage(Level = LogLevel.Warning, Message = "A replica of Redis has taken over, or Redis was started anew: it may lack the last of the rate limits' charges and is told what this node used in the last minute")]
    private partial void Another();

    [LoggerMessage(Level = LogLevel.Error, Message = "Rate limits could not be kept up with Redis; trying on")]
    private partial void NotKeptUp(Exception e);
}
