using MediatR;
using Tokonomics.Application.Keys;
using Tokonomics.Domain.Ledger;
using Tokonomics.Domain.RateLimits;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Metering keys.</summary>
internal static class KeysApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var keys = api.MapGroup("/keys").WithTags("Keys");
        keys.MapGet("", ListAsync)
            .Produces<KeyPage>().WithSummary("Keys, revoked ones too, newest first, a page at a time: send next_cursor as cursor");
        keys.MapGet("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new GetKey(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(KeyDetailShape.Of))
            .Produces<KeyDetailShape>().WithSummary("One key, and how it was used in the last 24 hours");
        keys.MapPost("", async (HttpContext http, IMediator mediator, NewKey body) =>
            (await mediator.Send(
                new CreateKey(http.Caller(), http.Tenant(), body.Name, body.Environment)
                {
                    TeamId = body.TeamId,
                    ProjectId = body.ProjectId,
                    Tags = Tags(body.Tags),
                    ExpiresAt = body.ExpiresAt,
                    Limits = body.Limits?.Limits ?? new CallLimits(),
                    AllowedProviders = body.AllowedProviders ?? [],
                    AllowedModels = body.AllowedModels ?? [],
                    CacheSeconds = body.CacheSeconds,
                },
                http.RequestAborted)).Answer(KeyMadeShape.Of, 201))
            .Produces<KeyMadeShape>(201).WithSummary("Makes a key; its secret is in this answer and nowhere else");
        keys.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, KeyChange body) =>
            (await mediator.Send(
                new UpdateKey(http.Caller(), http.Tenant(), id, body.Name, Tags(body.Tags), body.ExpiresAt) { Limits = body.Limits?.Limits ?? new CallLimits(), AllowedProviders = body.AllowedProviders ?? [], AllowedModels = body.AllowedModels ?? [], CacheSeconds = body.CacheSeconds },
                http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets a key's name, tags, expiry, rate limits, allowed providers and models and caching, all of them; what is left out is none");
        keys.MapPost("/{id}/move", async (HttpContext http, IMediator mediator, string id, Place body) =>
            (await mediator.Send(new MoveKey(http.Caller(), http.Tenant(), id, body.TeamId, body.ProjectId), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Moves a key to a team and a project, or out of them; later calls count on their budgets");
        keys.MapPost("/{id}/rotate", async (HttpContext http, IMediator mediator, string id, Rotation body) =>
            (await mediator.Send(new RotateKey(http.Caller(), http.Tenant(), id, TimeSpan.FromSeconds(body.OverlapSeconds)), http.RequestAborted)).Answer(KeyMadeShape.Of, 201))
            .Produces<KeyMadeShape>(201).WithSummary("Makes a key in another's place; both are accepted during the overlap");
        keys.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RevokeKey(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Revokes a key: refused everywhere within a second");
    }

    private static async Task<IResult> ListAsync(HttpContext http, IMediator mediator, [AsParameters] KeyQuery query)
    {
        if (!QueryWord.TryRead<KeyEnvironment>(query.Environment, out var environment))
            return QueryWord.Unknown<KeyEnvironment>("environment", query.Environment!);
        if (!QueryWord.TryRead<KeyStatus>(query.Status, out var status))
            return QueryWord.Unknown<KeyStatus>("status", query.Status!);
        if (!QueryWord.TryRead<KeySort>(query.Sort, out var sort))
            return QueryWord.Unknown<KeySort>("sort", query.Sort!);
        var list = new ListKeys(http.Caller(), http.Tenant(), environment)
        {
            Search = query.Q,
            Status = status,
            TeamId = query.TeamId,
            ProjectId = query.ProjectId,
            Order = sort is KeySort.Name or KeySort.NameDesc ? KeyOrder.Name : KeyOrder.Created,
            Reversed = sort is KeySort.Oldest or KeySort.NameDesc,
            Limit = query.Limit,
            After = query.Cursor,
        };
        return (await mediator.Send(list, http.RequestAborted)).Answer(l => new KeyPage([.. l.Keys.Select(KeyShape.Of)], l.Next, l.Total));
    }

    internal sealed record NewKey(string Name, KeyEnvironment Environment = KeyEnvironment.Live)
    {
        public string? TeamId { get; init; }

        public string? ProjectId { get; init; }

        public Dictionary<string, string>? Tags { get; init; }

        public DateTimeOffset? ExpiresAt { get; init; }

        public LimitsShape? Limits { get; init; }

        /// <summary>By name, as routes name them. Left out: every provider.</summary>
        public IReadOnlyList<string>? AllowedProviders { get; init; }

        /// <summary>Names, or beginnings with a * behind: gpt-5*. Left out: every model.</summary>
        public IReadOnlyList<string>? AllowedModels { get; init; }

        /// <summary>Seconds, 1 to 604800, for which an answer is kept, sealed, and given again to an exact repeat. Left out: nothing is kept.</summary>
        public int? CacheSeconds { get; init; }
    }

    internal sealed record KeyChange(string Name)
    {
        public Dictionary<string, string>? Tags { get; init; }

        public DateTimeOffset? ExpiresAt { get; init; }

        public LimitsShape? Limits { get; init; }

        /// <summary>By name, as routes name them. Left out: every provider.</summary>
        public IReadOnlyList<string>? AllowedProviders { get; init; }

        /// <summary>Names, or beginnings with a * behind: gpt-5*. Left out: every model.</summary>
        public IReadOnlyList<string>? AllowedModels { get; init; }

        /// <summary>Seconds, 1 to 604800, for which an answer is kept, sealed, and given again to an exact repeat. Left out: nothing is kept.</summary>
        public int? CacheSeconds { get; init; }
    }

    internal sealed record Rotation(int OverlapSeconds = 0);

    internal enum KeySort
    {
        Newest,
        Oldest,
        Name,
        NameDesc,
    }

    /// <param name="Q">In the name; or an id, or the beginning of a key.</param>
    /// <param name="Environment">live or test.</param>
    /// <param name="Status">active, expired or revoked.</param>
    /// <param name="Sort">newest, oldest, name or name_desc.</param>
    internal sealed record KeyQuery(
        string? Q = null, string? Environment = null, string? Status = null, string? TeamId = null, string? ProjectId = null, string? Sort = null, int Limit = 1000, string? Cursor = null);

    /// <param name="TeamId">Left out for the project's team, or none.</param>
    internal sealed record Place(string? TeamId = null, string? ProjectId = null);

    internal sealed record KeyPage(IReadOnlyList<KeyShape> Data, string? NextCursor, int Total);

    internal sealed record KeyShape(
        string Id, string Name, string Masked, KeyEnvironment Environment, KeyStatus Status, string? TeamId, string? ProjectId, IReadOnlyDictionary<string, string> Tags, DateTimeOffset CreatedAt,
        DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, string? ReplacedBy, LimitsShape Limits, IReadOnlyList<string> AllowedProviders, IReadOnlyList<string> AllowedModels, int? CacheSeconds)
    {
        public static KeyShape Of(KeyLine key) => new(
            key.Id, key.Name, key.Masked, key.Environment, key.Status, key.TeamId, key.ProjectId, key.Tags.ToDictionary(t => t.Name, t => t.Value), key.CreatedAt, key.ExpiresAt, key.RevokedAt, key.ReplacedBy, LimitsShape.Of(key.Limits), key.AllowedProviders, key.AllowedModels, key.CacheSeconds);
    }

    /// <param name="Values">How many different values its calls carried.</param>
    internal sealed record TagUseShape(string Tag, int Values, IReadOnlyList<string> First);

    internal sealed record UseShape(long Calls, string CostUsd, DateTimeOffset? LastAt, IReadOnlyList<TagUseShape> Tags);

    internal sealed record KeyDetailShape(KeyShape Key, UseShape Last24Hours)
    {
        public static KeyDetailShape Of(KeyDetail d) => new(KeyShape.Of(d.Key), new UseShape(d.Use.Calls, d.Use.Cost.ToString(), d.Use.LastAt, [.. d.Use.Tags.Select(t => new TagUseShape(t.Name, t.Values, t.First))]));
    }

    internal sealed record KeyMadeShape(string Id, string Name, KeyEnvironment Environment, string Masked, string Key)
    {
        public static KeyMadeShape Of(KeyMade made) => new(made.Id, made.Name, made.Environment, made.Masked, made.Secret);
    }

    private static List<Tag> Tags(Dictionary<string, string>? tags) => [.. (tags ?? []).Select(t => new Tag(t.Key, t.Value))];
}
