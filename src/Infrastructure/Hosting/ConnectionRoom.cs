using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;

namespace Tokonomics.Infrastructure.Hosting;

/// <summary>
/// Keeps room for new connections where somebody takes as many as there may be and sends nothing: beyond 15 of 16 of them those that have been silent
/// longest are closed, one for each that comes and, where they came faster than one may be called silent, soon after. Those that never sent a byte go first, then those that wait for their next request; never one that waits for its answer.
/// </summary>
/// <remarks>
/// That a connection waits is seen at its bytes: Kestrel has asked for the next and got none. Over HTTP/2 it asks all the time, so requests are counted there.
/// It costs a call a look at the clock and a few writes for each piece that is read.
/// </remarks>
internal sealed class ConnectionRoom(IOptions<KestrelServerOptions> kestrel, TimeProvider time, IMeterFactory meters)
{
    public const string MeterName = "Tokonomics.Connections";

    // Whoever has just come may have something to say: a client's first bytes come right behind its connection. Who takes connections as fast as they are closed may have no room full of those that are too young.
    private static readonly TimeSpan FirstSilence = TimeSpan.FromMilliseconds(250);

    // Of one that has had an answer, and may have its next request on the way.
    private static readonly TimeSpan Silence = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan Every = TimeSpan.FromMilliseconds(250);

    // How many are looked at for one that comes: those that are busy go to the end of their line.
    private const int Looks = 64;

    private readonly Counter<long> _closed = meters.Create(MeterName).CreateCounter<long>("tokonomics.connections.closed_for_room", "{connection}", "Silent connections that were closed since there was no room for others.");
    private readonly Lock _gate = new();
    private readonly LinkedList<Place> _silent = new(), _spoken = new();
    private ITimer? _timer;

    public async Task WatchAsync(ConnectionContext connection, ConnectionDelegate next)
    {
        var place = new Place(this, connection, time.GetTimestamp());
        connection.Features.Set(place);
        var transport = connection.Transport;
        connection.Transport = new WatchedTransport(transport, place);
        Place? gone;
        lock (_gate)
        {
            gone = Beyond() >= 0 ? Longest() : null;
            _silent.AddLast(place.Node);
            // At the limit itself none gets as far as here.
            if (Beyond() > 0)
                _timer ??= time.CreateTimer(_ => MakeRoom(), null, Every, Every);
        }

        if (gone is not null)
            Close(gone);
        try
        {
            await next(connection);
        }
        finally
        {
            connection.Transport = transport;
            lock (_gate)
                place.Node.List?.Remove(place.Node);
        }
    }

    private void MakeRoom()
    {
        var gone = new List<Place>();
        lock (_gate)
        {
            while (Beyond() > 0 && Longest() is { } place)
                gone.Add(place);
            if (Beyond() <= 0)
            {
                _timer?.Dispose();
                _timer = null;
            }
        }

        gone.ForEach(Close);
    }

    private void Close(Place place)
    {
        _closed.Add(1);
        place.Close();
    }

    // By how many they are more than leave room; under the lock.
    private long Beyond() => kestrel.Value.Limits.MaxConcurrentConnections is { } most ? _silent.Count + _spoken.Count - (most - Math.Max(1, most / 16)) : long.MinValue;

    // Under the lock. Whoever never spoke stands as they came; of the others what waits longest stands near the front, since whoever was found busy goes behind it.
    private Place? Longest()
    {
        var now = time.GetTimestamp();
        if (_silent.First?.Value is { } first && first.Waits(now, time))
        {
            _silent.RemoveFirst();
            return first;
        }

        for (var look = Math.Min(Looks, _spoken.Count); look > 0; look--)
        {
            var place = _spoken.First!.Value;
            _spoken.RemoveFirst();
            if (place.Waits(now, time))
                return place;
            _spoken.AddLast(place.Node);
        }

        return null;
    }

    private void Spoke(Place place)
    {
        lock (_gate)
        {
            // One that is being closed stands in no line any more.
            if (place.Node.List is null)
                return;
            _silent.Remove(place.Node);
            _spoken.AddLast(place.Node);
        }
    }

    /// <summary>A connection, and what it does.</summary>
    internal sealed class Place
    {
        private readonly ConnectionRoom _room;
        private readonly ConnectionContext _connection;
        private long _at; // of Stopwatch: when it came, or bytes did last
        private bool _spoke;
        private volatile bool _asks;
        private int _requests;

        public Place(ConnectionRoom room, ConnectionContext connection, long now)
        {
            (_room, _connection, _at) = (room, connection, now);
            Node = new LinkedListNode<Place>(this);
        }

        public LinkedListNode<Place> Node { get; }

        public bool Waits(long now, TimeProvider time) => _asks && Volatile.Read(ref _requests) == 0 && time.GetElapsedTime(Volatile.Read(ref _at), now) > (_spoke ? Silence : FirstSilence);

        public void Close() => _connection.Abort(new ConnectionAbortedException("silent while others had no room"));

        /// <summary>Bytes are asked for and not there.</summary>
        public void Asks() => _asks = true;

        /// <summary>Bytes came.</summary>
        public void Got()
        {
            _asks = false;
            Volatile.Write(ref _at, _room.Now);
            if (_spoke)
                return;
            _spoke = true;
            _room.Spoke(this);
        }

        public async Task RequestAsync(HttpContext context, RequestDelegate next)
        {
            Interlocked.Increment(ref _requests);
            try
            {
                await next(context);
            }
            finally
            {
                Interlocked.Decrement(ref _requests);
            }
        }
    }

    private long Now => time.GetTimestamp();
}

internal static class ConnectionRoomUse
{
    /// <summary>Over HTTP/1.1 the server asks for nothing while it answers; over HTTP/2 it does.</summary>
    public static void UseConnectionRoom(this WebApplication app) => app.Use((context, next) =>
        HttpProtocol.IsHttp2(context.Request.Protocol) && context.Features.Get<ConnectionRoom.Place>() is { } place ? place.RequestAsync(context, next) : next(context));
}
