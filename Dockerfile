# One file, a target for each host:
#   docker build --target standalone -t tokonomics .            everything in one process; also: proxy, portal, workers
#   docker run -p 8080:8080 -v tokonomics:/data tokonomics
FROM mcr.microsoft.com/dotnet/sdk:10.0 AS build
# The portal's styles and scripts come from npm packages.
RUN apt-get update && apt-get install -y --no-install-recommends nodejs npm && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The repository's history stays outside (.dockerignore): --build-arg VERSION=$(deploy/release/version.sh). Without it the images say that they are unversioned.
ARG VERSION=
# For the platform that it is built on, compiled ahead.
RUN rid=linux-$(dpkg --print-architecture | sed s/amd64/x64/) && for host in Web.Proxy Web.Portal Workers Standalone; do dotnet publish src/$host -c Release -r $rid --self-contained false ${VERSION:+-p:InformationalVersion=$VERSION} -o /app/$host || exit 1; done

FROM mcr.microsoft.com/dotnet/aspnet:10.0 AS host
# 1654 is the user "app" of the base image; the data folder is its own.
RUN mkdir /data && chown 1654:1654 /data
WORKDIR /app
USER 1654
# HOME: where ASP.NET keeps the keys of cookies.
ENV TOKONOMICS_DATA=/data HOME=/data
VOLUME /data
# The end is the drain's (Drain:Notice and Drain:Timeout), then the journal is shipped: give it time (docker stop -t 60).
STOPSIGNAL SIGTERM

FROM host AS proxy
COPY --from=build /app/Web.Proxy .
ENV ASPNETCORE_URLS=http://+:8080
EXPOSE 8080
ENTRYPOINT ["dotnet", "Tokonomics.Web.Proxy.dll"]

FROM host AS portal
COPY --from=build /app/Web.Portal .
ENV ASPNETCORE_URLS=http://+:8081
EXPOSE 8081
ENTRYPOINT ["dotnet", "Tokonomics.Web.Portal.dll"]

FROM host AS workers
COPY --from=build /app/Workers .
ENV ASPNETCORE_URLS=http://+:8082
EXPOSE 8082
ENTRYPOINT ["dotnet", "Tokonomics.Workers.dll"]

# Last, so that a build without --target makes it.
FROM host AS standalone
COPY --from=build /app/Standalone .
ENV ASPNETCORE_URLS=http://+:8080
EXPOSE 8080
ENTRYPOINT ["dotnet", "Tokonomics.Standalone.dll"]
