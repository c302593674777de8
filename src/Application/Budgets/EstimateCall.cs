using System.Collections.Frozen;
using FluentValidation;
using MediatR;
using Microsoft.EntityFrameworkCore;
using Tokonomics.Application.Keys;
using Tokonomics.Application.Pricing;
using Tokonomics.Application.Providers;
using Tokonomics.Application.Routing;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Budgets;
using Tokonomics.Domain.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.Money;
using Tokonomics.Domain.Pricing;
using Tokonomics.Domain.Routing;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Application.Budgets;

/// <summary>
/// What a call would hold, what it would likely cost, and whether its budgets would let it pass, at this moment. Takes no hold, reaches no provider,
/// leaves no event; nothing of the request is kept.
/// </summary>
/// <param name="Provider">As in <c>/proxy/{provider}</c>; null where the model decides, as on <c>/v1</c>.</param>
/// <param name="Path">As behind the base URL: <c>/v1/chat/completions</c>. Null for the provider's first route that needs nothing in its path.</param>
/// <param name="Body">The request's body, JSON.</param>
/// <param name="KeyId">The metering key that would make the call; null for one that has no budget, team and project of its own.</param>
/// <param name="Tags">Over the key's own.</param>
/// <param name="Environment">Null for the key's; live where there is no key.</param>
public sealed record EstimateCall(Caller Caller, string TenantId, string? Provider, string? Path, ReadOnlyMemory<byte> Body, string? KeyId, IReadOnlyList<Tag> Tags, KeyEnvironment? Environment) : IUseCase<CallEstimate>
{
    public Right Needs => Right.ReadUsage;
}

/// <summary>The figures are null where the call would be refused before anything is known of it.</summary>
/// <param name="Provider">Who would answer.</param>
/// <param name="Model">As it would be sent.</param>
/// <param name="Refusal">What the proxy would answer; null where the call would pass.</param>
/// <param name="Figures">Tokens and costs.</param>
/// <param name="Held">What would be set aside; null where no budget takes holds, or the call would be refused.</param>
/// <param name="ClampedTo">The output limit that would be put into the request.</param>
/// <param name="InSlices">The hold would cover the first slice of a stream and grow as it passes.</param>
/// <param name="Binding">The budget that refuses, lowers, or comes nearest to it.</param>
/// <param name="Budgets">All that the call counts on.</param>
public sealed record CallEstimate(
    string? Provider, string? Model, KeyEnvironment Environment, string PriceVersion, CallRefusal? Refusal, EstimateFigures? Figures, NanoUsd? Held, long? ClampedTo, bool InSlices, string? DowngradedFrom,
    string? Binding, IReadOnlyList<BudgetRoom> Budgets)
{
    /// <summary>Where the model's name is a route, or a budget's downgrade is: which rule applies, and what each of its targets says. Null where no route takes the call.</summary>
    public RouteEstimate? Route { get; init; }
}

/// <summary>How a route would take a call, as if no target failed, none had been timed and no conversation were under way: that is each proxy's own.</summary>
/// <param name="Rule">Its number, from 1.</param>
/// <param name="Targets">In the order in which they would be tried.</param>
/// <param name="NotReached">Why other targets of the rule can't be called.</param>
public sealed record RouteEstimate(string Name, int Rule, TargetChoice Choose, IReadOnlyList<TargetEstimate> Targets, IReadOnlyList<string> NotReached)
{
    /// <summary>What the rule's quality group would decide; null where it has none, or its strong model can't be reached.</summary>
    public GroupEstimate? Group { get; init; }
}

/// <summary>What a quality group would decide, from the labels that there are. It counts nothing, and takes no sample.</summary>
/// <param name="Candidate">As the route writes it; null where the strong model answers.</param>
/// <param name="MayStay">The call has no conversation by which it were known: it may be one of the few that stay on the strong model. The most that it can cost is then the dearer one's.</param>
/// <param name="IsChecked">The candidate's answer is checked, and where it fails the strong model is asked as well: the most that it can cost is both.</param>
/// <param name="HasKey">Without a key nothing is known of its class: classes are told by the key too.</param>
public sealed record GroupEstimate(string Strong, string? Candidate, RouteReason Reason, bool MayStay, bool IsChecked, bool HasKey);

/// <param name="Target">As the route writes it.</param>
/// <param name="Dialect">Into which the request would be translated; null where its bytes go through as they are.</param>
public sealed record TargetEstimate(string Target, string? Dialect, CallEstimate Estimate);

/// <param name="PricedAs">The entry of the price book that prices it; null where none does.</param>
/// <param name="LikelyInput">Tokens, from the prompt's length.</param>
/// <param name="LikelyOutput">Tokens that sufficed for 95 of 100 recent answers of this key and model.</param>
/// <param name="Likely">What these cost; null where the price is unknown.</param>
/// <param name="MostInput">Null where nothing bounds it.</param>
/// <param name="Most">The most that the call can cost; null where nothing bounds it.</param>
public sealed record EstimateFigures(string? PricedAs, long LikelyInput, long LikelyOutput, NanoUsd? Likely, long? MostInput, long? MostOutput, NanoUsd? Most);

internal sealed class EstimateCallRules : AbstractValidator<EstimateCall>
{
    public EstimateCallRules()
    {
        RuleFor(e => e.Path).Must(p => p is null || p.Length is >= 1 and <= 2000).WithMessage("The path is what stands behind the base URL, such as /v1/chat/completions.");
        RuleFor(e => e.Tags).Must(t => t.Count <= KeyTags.MaxTags && t.All(x => KeyTags.NormalName(x.Name) == x.Name && KeyTags.IsValue(x.Value)))
            .WithMessage($"At most {KeyTags.MaxTags} tags; a name is a letter followed by small letters, digits, '_', '.' or '-', a value 1 to {KeyTags.MaxValueLength} printable characters.");
    }
}

internal sealed class EstimateCallHandler(
    TokonomicsDbContext db, ProviderCatalogue catalogue, PriceBook prices, IBudgetTruth truth, IEnumerable<IBudgetGate> gates, IEnumerable<RecentOutputs> outputs, GroupForecast groups, TimeProvider time, PriceOverrideLookup? overrides = null)
    : IRequestHandler<EstimateCall, Outcome<CallEstimate>>
{
    // Nothing is sent there: which provider would be, doesn't depend on where the sandbox listens.
    private static readonly Uri NoSandbox = new("http://sandbox.invalid");

    private readonly IBudgetGate? _gate = gates.FirstOrDefault();
    private readonly RecentOutputs _outputs = outputs.FirstOrDefault() ?? new RecentOutputs();

    public async Task<Outcome<CallEstimate>> Handle(EstimateCall request, CancellationToken cancellationToken)
    {
        // 1. Who would call.
        if (await KeyAsync(request, cancellationToken) is not { } key)
            return Refusal.NotFound("key");
        if (request.Environment is { } environment && environment != key.Environment)
            return Refusal.Invalid(nameof(request.Environment), "The key is of the other environment.");
        var now = time.GetUtcNow();
        var book = key.Tenant.Prices ?? prices;
        var tags = request.Tags.Concat(key.Tags.Where(t => request.Tags.All(r => r.Name != t.Name))).ToList();

        // 2. What it would be.
        var upstreams = new Upstreams(catalogue, prices, NoSandbox);
        var (asked, provider, path, unreadable) = Read(request, key, upstreams);
        if (asked is null)
            return new CallEstimate(request.Provider, null, key.Environment, book.Version, unreadable, null, null, null, false, null, null, await RoomsAsync(key, tags, now, cancellationToken));

        // 3. What would become of it.
        return await new CallForecast(
            key, catalogue, book, upstreams, _outputs, asked, now, t => RoomsAsync(key, t, now, cancellationToken), g => groups.OfAsync(g, _outputs, cancellationToken)).EstimateAsync(tags, () => Target(asked, provider, path, key, upstreams));
    }

    private async Task<KeySnapshot?> KeyAsync(EstimateCall request, CancellationToken cancellationToken)
    {
        var row = request.KeyId is null ? null : await db.Keys.AsNoTracking().FirstOrDefaultAsync(k => k.TenantId == request.TenantId && k.Id == request.KeyId, cancellationToken);
        if (request.KeyId is not null && row is null)
            return null;
        var credentials = await db.Credentials.AsNoTracking().Where(c => c.TenantId == request.TenantId && c.EndedAt == null).ToListAsync(cancellationToken);
        var endpoints = await db.Endpoints.AsNoTracking().Where(e => e.TenantId == request.TenantId).ToListAsync(cancellationToken);
        var routes = await db.Routes.AsNoTracking().Where(r => r.TenantId == request.TenantId).ToListAsync(cancellationToken);
        var tenant = await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == request.TenantId, cancellationToken);
        return new KeySnapshot
        {
            Id = row?.Id ?? "",
            Name = row?.Name ?? "",
            Allowance = row is null ? null : KeyAllowance.Read(row.AllowedProviders, row.AllowedModels),
            Environment = row?.Environment ?? request.Environment ?? KeyEnvironment.Live,
            TeamId = row?.TeamId,
            ProjectId = row?.ProjectId,
            Tags = row is null ? [] : KeyTags.Read(row.Tags),
            Tenant = new TenantSnapshot
            {
                Id = request.TenantId,
                // That there is one is all that matters here.
                Credentials = credentials.ToFrozenDictionary(c => c.Provider, c => new ProviderCredential(c.Id, c.Provider, ""), StringComparer.Ordinal),
                Endpoints = endpoints.ToFrozenDictionary(e => e.Name, e => new CustomEndpoint(e.Name, new Uri(e.BaseUrl), e.Surface), StringComparer.Ordinal),
                Prices = overrides?.Invoke(request.TenantId),
                RefusesUnpriced = tenant.Unpriced == UnpricedPolicy.Refuse,
                Routes = routes.Select(r => RoutePolicy.Read(r.Id, r.Name, r.Policy).Route).OfType<ModelRoute>().ToFrozenDictionary(r => r.Name, StringComparer.Ordinal),
                Zone = TimeZoneInfo.TryFindSystemTimeZoneById(tenant.TimeZone, out var zone) ? zone : TimeZoneInfo.Utc,
            },
        };
    }

    private async Task<IReadOnlyList<BudgetRoom>> RoomsAsync(KeySnapshot key, IReadOnlyList<Tag> tags, DateTimeOffset now, CancellationToken cancellationToken)
    {
        var tenant = key.Tenant.Id;
        var budgets = (await db.Budgets.AsNoTracking().Where(b => b.TenantId == tenant && b.EndedAt == null && b.Environment == key.Environment).OrderBy(b => b.Id).ToListAsync(cancellationToken)).ConvertAll(b => b.ToBudget());
        var found = ApplicableBudgets.Of(budgets, key.TeamId, key.ProjectId, key.Id, tags).ToList();
        if (found.Count == 0)
            return [];
        var calendar = (await db.Tenants.AsNoTracking().FirstAsync(t => t.Id == tenant, cancellationToken)).Calendar;
        var windows = found.ConvertAll(f => calendar.Containing(f.Budget.Period, now, f.Budget.CreatedAt));
        var openings = found.Select((f, i) => new AccountOpening(new AccountKey(tenant, f.Budget.Id, f.Subject, windows[i].StartMicros), windows[i].EndMicros)).ToList();
        var states = (await truth.ReadAsync(openings, cancellationToken)).ToDictionary(s => s.Key);
        var rooms = new List<BudgetRoom>(found.Count);
        for (var i = 0; i < found.Count; i++)
            if (states.TryGetValue(openings[i].Key, out var state))
            {
                var here = _gate?.StandsHere(state.Key);
                rooms.Add(new BudgetRoom(found[i].Budget, found[i].Subject, windows[i], state.Limit, state.Posted + (here?.Unposted ?? default), state.Leased, state.Remaining + (here?.Free ?? default), _gate is null ? null : here?.Held ?? default));
            }

        return rooms;
    }

    // The same way as a call: path, provider, body.
    private static (ForeseenCall? Call, Provider? Provider, string Path, CallRefusal? Refusal) Read(EstimateCall request, KeySnapshot key, Upstreams upstreams)
    {
        var (named, path) = (request.Provider, request.Path?.Split('?')[0].TrimStart('/'));
        if (named is null && path?.StartsWith("proxy/", StringComparison.Ordinal) == true && path.IndexOf('/', 6) is var slash and > 0)
            (named, path) = (path[6..slash], path[(slash + 1)..]);
        if (path is not null && ProxyPath.Problem(path) is { } problem)
            return Refused(400, "bad_path", problem);
        var provider = named is null ? null : upstreams.Find(named, key);
        if (named is not null && provider is null)
            return Refused(404, "unknown_provider", $"no provider is named '{Shown(named)}' here");
        var routes = provider?.Routes ?? upstreams.ByModel;
        if (named is null && path?.StartsWith("v1/", StringComparison.Ordinal) == true)
            path = path[3..];
        path ??= FirstRoute(routes);
        if (routes.Find("POST", path) is not { Route.Kind: RouteKind.Metered } match)
            return Refused(404, "unmetered_route", $"nothing meters POST /{Shown(path)}; the routes are listed in docs/providers.md");
        var peek = CallForecast.PeekOf(match, provider, request.Body);
        if (peek.Problem is { } unreadable)
            return Refused(400, "bad_request_body", unreadable);
        return (new ForeseenCall(named, match, peek, peek.Model ?? match.PathModel, request.Body), provider, path, null);

        static (ForeseenCall?, Provider?, string, CallRefusal?) Refused(int status, string code, string message) => (null, null, "", new CallRefusal(status, code, message));
    }

    // Where the model is that it names, and which no route takes.
    private static (ReachedTarget? Target, CallRefusal? Refusal) Target(ForeseenCall call, Provider? provider, string path, KeySnapshot key, Upstreams upstreams)
    {
        var (match, model) = (call.Match, call.Model);
        if (provider is null)
        {
            if (model is not { Length: > 0 } || upstreams.ByModelName(model, "POST", path, key, passThrough: false) is not var (found, there))
                return (null, new CallRefusal(404, "unknown_model", $"no provider that this key can reach has a model '{Shown(model ?? "")}'"));
            (provider, model) = (found, there);
            match = provider.Routes.Find("POST", path) ?? match;
        }

        if (provider.BaseUrl is null)
            return (null, new CallRefusal(404, "provider_not_configured", provider.BaseUrlHelp ?? $"{provider.Name} has no base URL"));
        if (key.Environment == KeyEnvironment.Live && provider.Auth != ProviderAuth.None && !provider.Guarded && !key.Tenant.Credentials.ContainsKey(provider.Name))
            return (null, new CallRefusal(401, "no_provider_key", $"no key for {provider.Name} is stored"));
        return (new ReachedTarget(call.Model ?? "", provider, model ?? "", match, null, null, null, PassThrough: false), null);
    }

    private static string FirstRoute(RouteTable routes)
    {
        foreach (var mounted in routes.Surfaces)
            foreach (var route in mounted.Surface.Routes)
                if (route is { Kind: RouteKind.Metered, Method: "POST" } && !route.Template.Contains('{', StringComparison.Ordinal))
                    return route.Template[(route.Template.IndexOf(' ', StringComparison.Ordinal) + 1)..];
        return "";
    }

    private static string Shown(string text) => text.Length <= 80 ? text : text[..80] + "…";
}
