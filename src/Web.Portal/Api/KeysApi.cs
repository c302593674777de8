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
        keys.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListKeys(http.Caller(), http.Tenant()), http.RequestAborted)).Answer(l => new KeyPage([.. l.Keys.Select(KeyShape.Of)])))
            .Produces<KeyPage>().WithSummary("All keys, revoked ones too, newest first");
        keys.MapPost("", async (HttpContext http, IMediator mediator, NewKey body) =>
            (await mediator.Send(
                new CreateKey(http.Caller(), http.Tenant(), body.Name, body.Environment)
                {
                    TeamId = body.TeamId,
                    ProjectId = body.ProjectId,
                    Tags = Tags(body.Tags),
                    ExpiresAt = body.ExpiresAt,
                    Limits = body.Limits?.Limits ?? new CallLimits(),
                },
                http.RequestAborted)).Answer(KeyMadeShape.Of, 201))
            .Produces<KeyMadeShape>(201).WithSummary("Makes a key; its secret is in this answer and nowhere else");
        keys.MapPut("/{id}", async (HttpContext http, IMediator mediator, string id, KeyChange body) =>
            (await mediator.Send(new UpdateKey(http.Caller(), http.Tenant(), id, body.Name, Tags(body.Tags), body.ExpiresAt) { Limits = body.Limits?.Limits ?? new CallLimits() }, http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Sets a key's name, tags, expiry and rate limits, all of them; a limit that is left out is none");
        keys.MapPost("/{id}/rotate", async (HttpContext http, IMediator mediator, string id, Rotation body) =>
            (await mediator.Send(new RotateKey(http.Caller(), http.Tenant(), id, TimeSpan.FromSeconds(body.OverlapSeconds)), http.RequestAborted)).Answer(KeyMadeShape.Of, 201))
            .Produces<KeyMadeShape>(201).WithSummary("Makes a key in another's place; both are accepted during the overlap");
        keys.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RevokeKey(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Revokes a key: refused everywhere within a second");
    }

    internal sealed record NewKey(string Name, KeyEnvironment Environment = KeyEnvironment.Live)
    {
        public string? TeamId { get; init; }

        public string? ProjectId { get; init; }

        public Dictionary<string, string>? Tags { get; init; }

        public DateTimeOffset? ExpiresAt { get; init; }

        public LimitsShape? Limits { get; init; }
    }

    internal sealed record KeyChange(string Name)
    {
        public Dictionary<string, string>? Tags { get; init; }

        public DateTimeOffset? ExpiresAt { get; init; }

        public LimitsShape? Limits { get; init; }
    }

    internal sealed record Rotation(int OverlapSeconds = 0);

    internal sealed record KeyPage(IReadOnlyList<KeyShape> Data);

    internal sealed record KeyShape(
        string Id, string Name, string Masked, KeyEnvironment Environment, KeyStatus Status, string? TeamId, string? ProjectId, IReadOnlyDictionary<string, string> Tags, DateTimeOffset CreatedAt,
        DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt, string? ReplacedBy, LimitsShape Limits)
    {
        public static KeyShape Of(KeyLine key) => new(
            key.Id, key.Name, key.Masked, key.Environment, key.Status, key.TeamId, key.ProjectId, key.Tags.ToDictionary(t => t.Name, t => t.Value), key.CreatedAt, key.ExpiresAt, key.RevokedAt, key.ReplacedBy, LimitsShape.Of(key.Limits));
    }

    internal sealed record KeyMadeShape(string Id, string Name, KeyEnvironment Environment, string Masked, string Key)
    {
        public static KeyMadeShape Of(KeyMade made) => new(made.Id, made.Name, made.Environment, made.Masked, made.Secret);
    }

    private static List<Tag> Tags(Dictionary<string, string>? tags) => [.. (tags ?? []).Select(t => new Tag(t.Key, t.Value))];
}
