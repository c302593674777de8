using System.Net;
using System.Text.RegularExpressions;
using Microsoft.AspNetCore.Identity;
using Microsoft.Extensions.DependencyInjection;
using Tokonomics.Application.Tenants;
using Tokonomics.Application.Users;
using Tokonomics.Domain.Tenants;

namespace Tokonomics.Testing;

/// <summary>Somebody at the portal without a browser: keeps the cookies that a browser would keep on localhost, and sends forms as they were shown.</summary>
public sealed partial class PortalVisitor(TestProduct product)
{
    public const string Password = "correct horse battery staple";

    private readonly Dictionary<string, string> _cookies = [];
    private string? _token;

    public string UserId { get; private set; } = "";

    public string Email { get; private set; } = "";

    public IDictionary<string, string> Cookies => _cookies;

    /// <summary>Of the last form that was looked at; empty before.</summary>
    public string FormToken => _token ?? "";

    /// <summary>A new user with a verified address, in that role a member of that tenant, signed in.</summary>
    public static async Task<PortalVisitor> SignedInAsync(TestProduct product, string? tenantId, Role role = Role.Owner, string? email = null)
    {
        var visitor = new PortalVisitor(product);
        await visitor.JoinAsync(tenantId, role, email);
        using var answer = await visitor.SignInAsync();
        if (answer.StatusCode != HttpStatusCode.Found)
            throw new InvalidOperationException($"sign-in: {(int)answer.StatusCode} {await answer.Content.ReadAsStringAsync()}");
        return visitor;
    }

    public async Task JoinAsync(string? tenantId, Role role, string? email = null)
    {
        await using var scope = product.Services.CreateAsyncScope();
        var users = scope.ServiceProvider.GetRequiredService<UserManager<User>>();
        var now = scope.ServiceProvider.GetRequiredService<TimeProvider>().GetUtcNow();
        Email = email ?? $"{role}-{Guid.NewGuid():n}@visitor.example".ToLowerInvariant();
        var user = new User { Id = SortableId.New("usr", now), UserName = Email, Email = Email, EmailConfirmed = true, CreatedAt = now };
        var made = await users.CreateAsync(user, Password);
        if (!made.Succeeded)
            throw new InvalidOperationException(string.Join(" ", made.Errors.Select(e => e.Description)));
        UserId = user.Id;
        if (tenantId is null)
            return;
        var db = scope.ServiceProvider.GetRequiredService<TokonomicsDbContext>();
        db.Members.Add(new Member { TenantId = tenantId, Id = SortableId.New("mem", now), Email = Email, Role = role, CreatedAt = now, UserId = UserId });
        await db.SaveChangesAsync();
    }

    public Task<HttpResponseMessage> SignInAsync(string? password = null) => PostAsync("/login", [new("Email", Email), new("Password", password ?? Password)]);

    public async Task<HttpResponseMessage> SendAsync(HttpRequestMessage request)
    {
        request.RequestUri = new Uri(product.Url, request.RequestUri!);
        if (_cookies.Count > 0)
            request.Headers.Add("Cookie", string.Join("; ", _cookies.Select(c => $"{c.Key}={c.Value}")));
        var answer = await product.Client.SendAsync(request);
        foreach (var cookie in answer.Headers.TryGetValues("Set-Cookie", out var set) ? set : [])
        {
            var pair = cookie[..cookie.IndexOf(';', StringComparison.Ordinal)];
            var (name, value) = (pair[..pair.IndexOf('=', StringComparison.Ordinal)], pair[(pair.IndexOf('=', StringComparison.Ordinal) + 1)..]);
            if (value.Length == 0 || cookie.Contains("expires=Thu, 01 Jan 1970", StringComparison.OrdinalIgnoreCase))
                _cookies.Remove(name);
            else
                _cookies[name] = value;
        }

        return answer;
    }

    public Task<HttpResponseMessage> GetAsync(string path) => SendAsync(new HttpRequestMessage(HttpMethod.Get, new Uri(path, UriKind.Relative)));

    /// <summary>The page's text.</summary>
    /// <exception cref="InvalidOperationException">It isn't there.</exception>
    public async Task<string> ReadAsync(string path)
    {
        using var answer = await GetAsync(path);
        var text = await answer.Content.ReadAsStringAsync();
        return answer.IsSuccessStatusCode ? text : throw new InvalidOperationException($"{path}: {(int)answer.StatusCode} {answer.Headers.Location} {string.Join('\n', product.Log.Lines.TakeLast(3))} {text}");
    }

    /// <summary>Sends a form to a page: with the page's own hidden fields where it has a form to post, the given ones over them.</summary>
    public async Task<HttpResponseMessage> PostAsync(string path, IEnumerable<KeyValuePair<string, string>> fields)
    {
        var all = new Dictionary<string, string> { ["form_id"] = Guid.NewGuid().ToString("n") };
        using (var page = await GetAsync(path))
        {
            var text = page.StatusCode == HttpStatusCode.OK ? await page.Content.ReadAsStringAsync() : "";
            if (Token().Match(text) is { Success: true } found)
                _token = WebUtility.HtmlDecode(found.Groups[1].Value);
        }

        if (_token is not null)
            all["form_token"] = _token;
        foreach (var field in fields)
            all[field.Key] = field.Value;
        return await SendAsync(new HttpRequestMessage(HttpMethod.Post, new Uri(path, UriKind.Relative)) { Content = new FormUrlEncodedContent(all) });
    }

    [GeneratedRegex("""name="form_token" type="hidden" value="([^"]+)""")]
    private static partial Regex Token();
}
