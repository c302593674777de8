using MediatR;
using Tokonomics.Application.Tenants;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Web.Portal.Api;

/// <summary>Tokens of this very API.</summary>
internal static class TokensApi
{
    public static void Map(RouteGroupBuilder api)
    {
        var tokens = api.MapGroup("/tokens").WithTags("API tokens");
        tokens.MapGet("", async (HttpContext http, IMediator mediator) =>
            (await mediator.Send(new ListApiTokens(http.Caller(), http.Tenant()), http.RequestAborted))
                .Answer(l => new TokenPage([.. l.Tokens.Select(t => new TokenShape(t.Id, t.Name, t.Role, t.Masked, t.CreatedAt, t.ExpiresAt, t.RevokedAt))])))
            .Produces<TokenPage>().WithSummary("All tokens, revoked ones too, newest first");
        tokens.MapPost("", async (HttpContext http, IMediator mediator, NewToken body) =>
            (await mediator.Send(new CreateApiToken(http.Caller(), http.Tenant(), body.Name, body.Role, body.ExpiresAt), http.RequestAborted))
                .Answer(t => new TokenMadeShape(t.Id, t.Name, t.Role, t.Masked, t.Secret), 201))
            .Produces<TokenMadeShape>(201).WithSummary("Makes a token; its secret is in this answer and nowhere else");
        tokens.MapDelete("/{id}", async (HttpContext http, IMediator mediator, string id) =>
            (await mediator.Send(new RevokeApiToken(http.Caller(), http.Tenant(), id), http.RequestAborted)).Answer(_ => null))
            .Produces(204).WithSummary("Revokes a token at once");
    }

    internal sealed record NewToken(string Name, Role Role = Role.Viewer, DateTimeOffset? ExpiresAt = null);

    internal sealed record TokenMadeShape(string Id, string Name, Role Role, string Masked, string Token);

    internal sealed record TokenShape(string Id, string Name, Role Role, string Masked, DateTimeOffset CreatedAt, DateTimeOffset? ExpiresAt, DateTimeOffset? RevokedAt);

    internal sealed record TokenPage(IReadOnlyList<TokenShape> Data);
}
