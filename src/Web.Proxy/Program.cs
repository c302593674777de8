using Tokonomics.Infrastructure;
using Tokonomics.Infrastructure.Hosting;
using Tokonomics.Web.Proxy;

return await HostSetup.RunAsync(() => ProxyHost.Build(StoreSetup.DataFolder));
