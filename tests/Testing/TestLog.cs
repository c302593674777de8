using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace Tokonomics.Testing;

/// <summary>Keeps everything that is logged, at every level, exceptions and scopes included: what a test looks for secrets in.</summary>
public sealed class TestLog : ILoggerProvider, ISupportExternalScope
{
    private IExternalScopeProvider _scopes = new LoggerExternalScopeProvider();

    public ConcurrentQueue<string> Lines { get; } = [];

    public ILogger CreateLogger(string categoryName) => new Logger(this, categoryName);

    public void SetScopeProvider(IExternalScopeProvider scopeProvider) => _scopes = scopeProvider;

    public void Dispose()
    {
    }

    private sealed class Logger(TestLog log, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => log._scopes.Push(state);

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            var scopes = "";
            log._scopes.ForEachScope((scope, _) => scopes += $" [{scope}]", state);
            log.Lines.Enqueue($"{logLevel} {category}{scopes}: {formatter(state, exception)} {exception}");
        }
    }
}
