using Tokonomics.Application.Ledger;
using Tokonomics.Domain.Ledger;
using Tokonomics.Infrastructure.Journal;

namespace Tokonomics.Tests.Journal;

/// <summary>
/// Random histories of calls, shipments, full disks and deaths of the process, each by its seed: after the last recovery the ledger must have what was
/// sent and settled, once, and nothing else. <c>TOKONOMICS_JOURNAL_SEEDS</c> sets how many,
/// <c>TOKONOMICS_JOURNAL_SEED</c> the first.
/// </summary>
public sealed class SimulationTests(ITestOutputHelper output)
{
    private static int First => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_JOURNAL_SEED"), out var first) ? first : 1;

    private static int Seeds => int.TryParse(Environment.GetEnvironmentVariable("TOKONOMICS_JOURNAL_SEEDS"), out var seeds) ? seeds : 2000;

    [Fact]
    public void Whatever_dies_when_every_sent_call_has_its_rows_and_no_other_has_any()
    {
        var (deaths, calls, abandoned, carried) = (0, 0, 0, 0);
        for (var seed = First; seed < First + Seeds; seed++)
        {
            using var history = new History(seed);
            try
            {
                history.Run();
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"seed {seed}: {e.Message}", e);
            }

            (deaths, calls, abandoned, carried) = (deaths + history.Deaths, calls + history.Calls, abandoned + history.Abandoned, carried + history.Deleted);
        }

        output.WriteLine($"{Seeds} seeds: {calls} calls, {deaths} deaths, {abandoned} rows of abandoned calls, {carried} files deleted");
        deaths.ShouldBeGreaterThan(Seeds);
        abandoned.ShouldBeGreaterThan(Seeds);
    }

    private sealed class Call
    {
        public required string Id { get; init; }

        public required bool Certain { get; set; } // the process lived to see it admitted

        public int Sends { get; set; }

        public int MaySends { get; set; } // with one during which the process died

        public bool Void { get; set; }

        public UsageEvent? Settled { get; set; }

        public bool OnFile { get; set; } // its event, for certain
    }

    private sealed class History : IDisposable
    {
        private readonly Random _random;
        private readonly FailingDisk _disk;
        private readonly TempJournal _temp;
        private readonly DirectoryInfo _folder;
        private readonly Dictionary<string, Call> _all = [];
        private readonly Dictionary<(string, int), UsageEvent> _ledger = [];
        private readonly List<(Call Call, CallTicket Ticket)> _open = [];
        private readonly int _weight;

        public History(int seed)
        {
            _random = new Random(seed);
            _disk = new FailingDisk(_random);
            _weight = _random.Next(3) switch { 0 => 0, 1 => 500, _ => 8000 }; // heavy tags fill files soon
            // In memory where the machine has it: what dies is the process.
            _folder = Directory.Exists("/dev/shm") ? Directory.CreateDirectory($"/dev/shm/tokonomics-test-{Guid.NewGuid():n}") : Directory.CreateTempSubdirectory("tokonomics-test-");
            _temp = new TempJournal(folder: _folder.FullName, disk: _disk, options: new JournalOptions { SegmentBytes = 64 * 1024, MaxBytes = _random.Next(2) == 0 ? 4 * 64 * 1024 : 1024 * 1024, SyncEvery = TimeSpan.FromTicks(_random.Next(2)) });
        }

        public int Deaths { get; private set; }

        public int Calls => _all.Count;

        public int Abandoned => _ledger.Values.Count(e => e.Outcome == CallOutcome.Abandoned);

        public int Deleted => _temp.Segments.Length == 0 ? 0 : int.Parse(Path.GetFileNameWithoutExtension(_temp.Segments[0]), null) - 1;

        public void Run()
        {
            _temp.Open();
            var steps = 40 + _random.Next(120);
            for (var step = 0; step < steps; step++)
            {
                if (_random.Next(25) == 0)
                    _disk.DiesIn = _random.Next(6);
                if (_random.Next(30) == 0)
                    _disk.Full = !_disk.Full;
                if (_random.Next(40) == 0)
                    _disk.SyncFails = !_disk.SyncFails;
                try
                {
                    Step();
                }
                catch (ProcessDied)
                {
                    Die();
                }

                if (_random.Next(60) == 0)
                    Die(); // between two operations
            }

            (_disk.Full, _disk.SyncFails, _disk.DiesIn) = (false, false, -1);
            if (_random.Next(2) == 0)
            {
                // A quiet end: what runs is settled.
                while (_open.Count > 0)
                    Settle();
                Ship(all: true);
                Check();
                for (var i = 0; i < 3; i++)
                    _temp.Journal.Tidy();
                _temp.Journal.Writable.ShouldBeTrue();
                _temp.Journal.Admit(TempJournal.Call("req_last"), sent: false).IsNone.ShouldBeFalse();
            }

            Die();
            Ship(all: true);
            Check();
            // And a further start finds nothing to do but what the ledger leaves out.
            var rows = _ledger.Count;
            Die();
            Ship(all: true);
            _ledger.Count.ShouldBe(rows);
        }

        private void Step()
        {
            switch (_random.Next(12))
            {
                case 0 or 1 or 2 or 3:
                    Admit();
                    break;
                case 4 when _open.Count > 0:
                    Send();
                    break;
                case 5 or 6 or 7 or 8 when _open.Count > 0:
                    if (_random.Next(8) == 0)
                        Void();
                    else
                        Settle();
                    break;
                case 9:
                    Ship(all: false);
                    break;
                default:
                    _temp.Journal.Tidy();
                    break;
            }
        }

        private void Admit()
        {
            var sent = _random.Next(3) > 0;
            var call = new Call { Id = $"req_{_all.Count}", Certain = false, MaySends = sent ? 1 : 0 };
            _all[call.Id] = call;
            var ticket = _temp.Journal.Admit(TempJournal.Call(call.Id, _weight), sent);
            if (ticket.IsNone)
            {
                call.Void = true; // refused, and not sent
                return;
            }

            call.Certain = true;
            call.Sends = call.MaySends;
            _open.Add((call, ticket));
        }

        private void Send()
        {
            var (call, ticket) = _open[_random.Next(_open.Count)];
            call.MaySends = call.Sends + 1;
            if (_temp.Journal.Sent(ticket, call.MaySends))
                call.Sends = call.MaySends;
            else
                call.MaySends = call.Sends;
        }

        private void Void()
        {
            var at = _random.Next(_open.Count);
            var (call, ticket) = _open[at];
            if (call.Sends > 0)
                return;
            _temp.Journal.Void(ticket);
            call.Void = true;
            _open.RemoveAt(at);
        }

        private void Settle()
        {
            var at = _random.Next(_open.Count);
            var (call, ticket) = _open[at];
            if (call.Sends == 0)
            {
                _temp.Journal.Void(ticket);
                call.Void = true;
                _open.RemoveAt(at);
                return;
            }

            for (var lost = 1; lost < call.Sends; lost++)
                _temp.Journal.Settle(Some.Event(call.Id, attempt: lost) with { Outcome = CallOutcome.Unreachable }, ticket, last: false).ShouldBeTrue();
            var settled = Some.Event(call.Id, attempt: call.Sends);
            call.Settled = settled;
            _temp.Journal.Settle(settled, ticket, last: true).ShouldBeTrue();
            // A disk that refused one record may have refused this one: then the event lives in memory alone until it is shipped.
            call.OnFile = !_disk.Full && _temp.Journal.Writable;
            _open.RemoveAt(at);
        }

        private readonly List<Settled> _batch = [];

        private void Ship(bool all)
        {
            while (_temp.Journal.ToShip.TryRead(out var next))
            {
                _batch.Add(next);
                if (!all && _random.Next(10) == 0)
                    break;
            }

            if (!all && _random.Next(6) == 0)
                throw new ProcessDied(); // before the ledger has them
            foreach (var settled in _batch)
                _ledger.TryAdd((settled.Event.RequestId, settled.Event.Attempt), settled.Event);
            if (!all && _random.Next(6) == 0)
                throw new ProcessDied(); // before it is on file that it has
            _temp.Journal.Shipped(_batch);
            _batch.Clear();
        }

        private void Die()
        {
            Deaths++;
            _disk.DiesIn = -1;
            _batch.Clear();
            _open.Clear();
            _temp.Kill().Open();
        }

        private void Check()
        {
            foreach (var call in _all.Values)
            {
                var rows = _ledger.Where(l => l.Key.Item1 == call.Id).Select(l => l.Value).OrderBy(e => e.Attempt).ToList();
                var why = $"{call.Id} sent {call.Sends} (or {call.MaySends}), void {call.Void}, settled {call.Settled is not null}: {string.Join(", ", rows.Select(r => $"{r.Attempt} {r.Outcome}"))}";
                rows.Select(r => r.Attempt).ShouldBe(Enumerable.Range(1, rows.Count), why);
                if (call.Void)
                    rows.ShouldBeEmpty(why);
                else if (call.Certain)
                    rows.Count.ShouldBeInRange(call.Sends, call.MaySends, why);
                else
                    rows.Count.ShouldBeLessThanOrEqualTo(call.MaySends, why); // the process died while it was admitted
                if (call is { Settled: { } settled, OnFile: true })
                    rows[^1].Outcome.ShouldBe(settled.Outcome, why);
            }

            _ledger.Keys.Select(k => k.Item1).ShouldAllBe(id => _all.ContainsKey(id));
        }

        public void Dispose()
        {
            _temp.Dispose();
            _folder.Delete(recursive: true);
        }
    }
}
